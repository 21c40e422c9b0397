"""Well-known names that come later, each with what to do until then: all in one table.

Scripts that were written for the reference library call them. What kakusan never had a name for is
an ordinary AttributeError with the nearest name.
"""

import difflib
import re
from collections.abc import Iterable, Mapping

from kakusan.errors import (
    NotYetAttributeError,
    NotYetError,
    NotYetImportError,
    nearest,
    shown,
)

_FROM_TEXT = (
    "kakusan draws from texts and pictures so far, with StableDiffusionPipeline and "
    "StableDiffusionImg2ImgPipeline"
)
_OTHER_FAMILY = "kakusan draws with Stable Diffusion 1, 2 and XL so far"
_OTHER_MODEL = "kakusan draws with Stable Diffusion alone, with StableDiffusionPipeline"
_ADAPTERS = "adapters come later; the weights of a whole model can be loaded"
_CONTROL = "StableDiffusionControlNetPipeline and SDXL's draw from a text and control pictures"
_LOADERS = "adapters come later; from_pretrained and from_single_file load whole models"
_OWN_ATTENTION = (
    "attention is computed in one way; kakusan.inspect shows it, and a Steering changes calls"
)
_CLIP = "CLIPTextModel, CLIPTextModelWithProjection and CLIPVisionModelWithProjection are there"
_GRADUAL = "a subclass of kakusan.sampling.Steering can change every call and step"
_LORA = "load_lora_weights, set_adapters and save_lora_weights are there"
_TOKENS = "every pipeline has load_textual_inversion"
_PIPELINE_MEMORY = "enable_model_cpu_offload() and enable_vae_tiling() save memory"
_MULTISTEP = "use DPMSolverMultistepScheduler, the nearest that is there"

# What to do instead -> names of the package
_OF_THE_PACKAGE: Mapping[str, tuple[str, ...]] = {
    _FROM_TEXT: (
        *("StableDiffusionInpaintPipelineLegacy", "StableDiffusionUpscalePipeline"),
        *("StableDiffusionLatentUpscalePipeline", "StableDiffusionInstructPix2PixPipeline"),
        *("StableDiffusionDepth2ImgPipeline", "StableDiffusionImageVariationPipeline"),
        *("StableDiffusionPanoramaPipeline", "StableDiffusionAttendAndExcitePipeline"),
        *(
            "StableDiffusionSAGPipeline",
            "StableDiffusionPAGPipeline",
            "StableDiffusionPipelineSafe",
        ),
        *("StableDiffusionLDM3DPipeline", "StableDiffusionGLIGENPipeline"),
        *("StableDiffusionMixin", "OnnxStableDiffusionPipeline", "StableDiffusionOnnxPipeline"),
        *("PipelineImageInput", "VaeImageProcessorLDM3D"),
    ),
    _CONTROL: (
        "MultiControlNetUnionModel",
        *("ControlNetXSAdapter", "UNetControlNetXSModel", "StableDiffusionControlNetXSPipeline"),
        *("StableDiffusionControlNetPAGPipeline", "StableDiffusionXLControlNetPAGPipeline"),
        *("StableDiffusionControlNetPAGInpaintPipeline",),
        *("StableDiffusionXLControlNetPAGImg2ImgPipeline",),
        "StableDiffusionXLControlNetXSPipeline",
    ),
    _OTHER_FAMILY: (
        "StableDiffusionXLInstructPix2PixPipeline",
        *("StableDiffusionXLPAGPipeline", "StableDiffusion3PAGPipeline", "UNet3DConditionModel"),
        *("StableDiffusionXLPAGImg2ImgPipeline", "StableDiffusion3PAGImg2ImgPipeline"),
        *("StableDiffusionPAGImg2ImgPipeline", "StableDiffusionPAGInpaintPipeline"),
        *("StableDiffusionXLPAGInpaintPipeline", "StableDiffusion3InpaintPipeline"),
        *("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline"),
        *("FluxMultiControlNetModel", "SD3ControlNetModel", "SD3MultiControlNetModel"),
        "StableDiffusion3ControlNetPipeline",
        "StableDiffusion3ControlNetInpaintingPipeline",
        *("StableVideoDiffusionPipeline",),
    ),
    "AutoencoderKL is there, which gives better pictures": (
        *("ConsistencyDecoderVAE", "AsymmetricAutoencoderKL"),
    ),
    "kakusan.training.ema.MovingAverage is kakusan's own running average": ("EMAModel",),
    "load each part by its own class, such as UNet2DConditionModel": ("AutoModel", "ModelMixin"),
    "schedulers share the base class kakusan.schedulers.Scheduler": (
        *("SchedulerMixin", "KarrasDiffusionSchedulers"),
    ),
    "the parts' configs are read by their from_pretrained": ("ConfigMixin",),
    _OTHER_MODEL: ("AltDiffusionPipeline", "VQDiffusionPipeline", "SCMScheduler"),
    'images[0].save("x.gif", save_all=True, append_images=images[1:]) does it with Pillow': (
        *("export_to_gif", "export_to_video", "load_video"),
    ),
    "kakusan's versions are not the reference library's; leave it out": (
        *("check_min_version", "deprecate", "is_xformers_available", "is_wandb_available"),
        *("is_torch_available", "is_transformers_available", "is_accelerate_available"),
        *("is_tensorboard_available", "convert_state_dict_to_diffusers", "BaseOutput"),
        *("convert_unet_state_dict_to_peft", "hub_utils"),
    ),
    _ADAPTERS: ("MotionAdapter", "AnimateDiffPipeline"),
    _CLIP: (
        "CLIPVisionModel",
        *("CLIPModel", "T5EncoderModel", "T5Tokenizer", "AutoTokenizer", "CLIPTextConfig"),
    ),
    "CLIPTokenizer is there, which is as fast": ("CLIPTokenizerFast",),
    "CLIPImageProcessor is there": ("CLIPFeatureExtractor", "AutoImageProcessor"),
    "torch_dtype=torch.float16 halves the memory of the weights": (
        *("BitsAndBytesConfig", "TorchAoConfig", "QuantoConfig"),
        *("PipelineQuantizationConfig", "DiffusersQuantizer"),
    ),
    "from_single_file loads a .gguf file as it is": ("GGUFQuantizationConfig",),
    "torch.optim.lr_scheduler has such schedules": (
        *("get_scheduler", "get_constant_schedule", "get_constant_schedule_with_warmup"),
        *("get_cosine_schedule_with_warmup", "get_linear_schedule_with_warmup"),
    ),
    _MULTISTEP: (
        *("SASolverScheduler", "CosineDPMSolverMultistepScheduler"),
        *("DPMSolverMultistepInverseScheduler",),
    ),
    "use ImprovedPNDMScheduler, the same method on Stable Diffusion's noise levels": (
        "IPNDMScheduler",
    ),
    "use DDIMScheduler, whose steps are the same": (
        *("DDIMParallelScheduler", "DDIMInverseScheduler"),
    ),
    "use DDPMScheduler, whose steps are the same": ("DDPMParallelScheduler",),
    "use EulerDiscreteScheduler, the nearest that is there": ("FlowMatchEulerDiscreteScheduler",),
    _TOKENS: ("TextualInversionLoaderMixin",),
    "every pipeline has load_ip_adapter": ("IPAdapterMixin",),
    "load_ip_adapter and set_ip_adapter_scale do it": (
        *("IPAdapterAttnProcessor2_0", "IPAdapterScaleCutoffCallback"),
    ),
    _LOADERS: (
        *("LoraLoaderMixin", "StableDiffusionLoraLoaderMixin"),
        *(
            "FromSingleFileMixin",
            "AttnProcsLayers",
            "UNet2DConditionLoadersMixin",
        ),
    ),
    _OWN_ATTENTION: (
        *("Attention", "AttentionProcessor", "SlicedAttnProcessor", "XFormersAttnProcessor"),
        *("LoRAAttnProcessor", "LoRAAttnProcessor2_0", "CustomDiffusionAttnProcessor"),
        *("FusedAttnProcessor2_0", "AttnAddedKVProcessor"),
    ),
    "torch and kakusan.training do it": (
        *("cast_training_params", "free_memory", "compute_dream_and_update_latents"),
        *("compute_loss_weighting_for_sd3", "compute_density_for_timestep_sampling"),
    ),
}
# What to do instead -> attributes of a pipeline
_OF_A_PIPELINE: Mapping[str, tuple[str, ...]] = {
    _LORA: (
        *("lora_state_dict", "load_lora_into_unet", "write_lora_layers"),
        *("load_lora_into_text_encoder", "lora_scale"),
    ),
    _CONTROL: ("controlnet", "adapter"),
    _FROM_TEXT: (
        *("prepare_image", "get_timesteps"),
        *("prepare_mask_latents", "feature_extractor_2"),
    ),
    _OTHER_FAMILY: (
        *("refiner", "text_encoder_3", "tokenizer_3", "upcast_text_encoder", "transformer"),
    ),
    "it belongs to SDXL, which StableDiffusionXLPipeline draws with": (
        *("text_encoder_2", "tokenizer_2"),
    ),
    _GRADUAL: (
        "enable_pag",
        "disable_pag",
        "set_pag_applied_layers",
    ),
    _PIPELINE_MEMORY: ("enable_group_offload", "reset_device_map"),
}
# What to do instead -> arguments of a call
_OF_A_CALL: Mapping[str, tuple[str, ...]] = {
    f"{_FROM_TEXT}; leave it out": (
        *("image_guidance_scale", "noise_level", "depth_map"),
        *("pag_scale", "pag_adaptive_scale", "sag_scale"),
    ),
    f"{_CONTROL}; this one does not, leave it out": (
        *("controlnet_conditioning_scale", "control_guidance_start", "control_guidance_end"),
        *("guess_mode", "control_image", "control_mode"),
        *("adapter_conditioning_scale", "adapter_conditioning_factor"),
    ),
    f"{_OTHER_FAMILY}; leave it out": ("prompt_3", "negative_prompt_3", "max_sequence_length"),
}


def _by_name(groups: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    return {name: instead for instead, names in groups.items() for name in names}


PACKAGE = _by_name(_OF_THE_PACKAGE)
PIPELINE = _by_name(_OF_A_PIPELINE)
CALL = _by_name(_OF_A_CALL)
# How classes of other models are called, of which new ones appear every month
_KIND = re.compile(r"[A-Z]\w*(Pipeline|Scheduler|Model|Transformer\w*|Guidance|Blocks|VAE)")
# A name this near to one that is there is a slip of the finger
_SLIP = 0.9


def missing_name(module: str, name: str, known: Iterable[str]) -> Exception:
    """The error for a name that a module does not have.

    Returns:
        A NotYetImportError where it comes later, else an AttributeError with the nearest name.
    """
    names = set(known)
    slip = difflib.get_close_matches(name, names, n=1, cutoff=_SLIP)
    if name in PACKAGE:
        return NotYetImportError(f"{name} is not there yet; {PACKAGE[name]}")
    if _KIND.fullmatch(name) and not slip:
        return NotYetImportError(f"{name} is not there yet; {_instead_of(name, names)}")
    return AttributeError(f"module {module!r} has no attribute {name!r}.{nearest(name, names)}")


def _instead_of(name: str, known: Iterable[str]) -> str:
    if name.endswith("Scheduler"):
        return f"use one of {', '.join(sorted(n for n in known if n.endswith('Scheduler')))}"
    return _OTHER_MODEL


def missing_attribute(owner: str, name: str, known: Iterable[str]) -> AttributeError:
    """The error for an attribute that a pipeline does not have; it says so where it comes later."""
    if name in PIPELINE:
        return NotYetAttributeError(f"{name} is not there yet; {PIPELINE[name]}")
    public = [each for each in known if not each.startswith("_")]
    close = difflib.get_close_matches(name, public, n=3, cutoff=0.6)
    guess = f"; did you mean {' or '.join(close)}?" if close else ""
    return AttributeError(f"{owner!r} object has no attribute {name!r}{guess}")


def without_later(arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments of a call but for those that come later and were given as nothing.

    Raises:
        NotYetError: One of them has a value.
    """
    for name, value in arguments.items():
        if name in CALL and value is not None and value != {}:
            raise NotYetError(
                f"{name}={shown(value)} is not there yet; {CALL[name]}".replace("\n", " ")
            )
    return {name: value for name, value in arguments.items() if name not in CALL}
