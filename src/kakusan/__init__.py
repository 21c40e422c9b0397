"""kakusan: Stable Diffusion in Python. Texts and pictures in, pictures out.

Every public name is imported on first use, so that `import kakusan` costs nothing;
`__init__.pyi` tells the same to type checkers.
"""

import importlib
import os

__version__ = "0.1.0"
# Modules that scripts import from the reference library, such as `kakusan.image_processor`
__path__.append(os.path.join(os.path.dirname(__file__), "reference_modules"))

_ROOMS = {
    "kakusan.errors": (
        "DecodeError",
        "GenerationInterrupted",
        "InputError",
        "KakusanError",
    ),
    "kakusan.images": (
        "image_grid",
        "save_image",
    ),
    "kakusan.models": (
        "AutoencoderKL",
        "AutoencoderTiny",
        "CLIPImageProcessor",
        "CLIPTextModel",
        "CLIPTextModelWithProjection",
        "CLIPVisionModelWithProjection",
        "ControlNetModel",
        "ControlNetUnionModel",
        "MultiAdapter",
        "MultiControlNetModel",
        "StableDiffusionSafetyChecker",
        "T2IAdapter",
        "UNet2DConditionModel",
    ),
    "kakusan.pipeline": (
        "AutoPipelineForImage2Image",
        "AutoPipelineForInpainting",
        "AutoPipelineForText2Image",
        "DiffusionPipeline",
        "LatentConsistencyModelImg2ImgPipeline",
        "LatentConsistencyModelPipeline",
        "Picture",
        "StableDiffusionAdapterPipeline",
        "StableDiffusionControlNetImg2ImgPipeline",
        "StableDiffusionControlNetInpaintPipeline",
        "StableDiffusionControlNetPipeline",
        "StableDiffusionImg2ImgPipeline",
        "StableDiffusionInpaintPipeline",
        "StableDiffusionPipeline",
        "StableDiffusionPipelineOutput",
        "StableDiffusionXLAdapterPipeline",
        "StableDiffusionXLControlNetImg2ImgPipeline",
        "StableDiffusionXLControlNetInpaintPipeline",
        "StableDiffusionXLControlNetPipeline",
        "StableDiffusionXLControlNetUnionImg2ImgPipeline",
        "StableDiffusionXLControlNetUnionInpaintPipeline",
        "StableDiffusionXLControlNetUnionPipeline",
        "StableDiffusionXLImg2ImgPipeline",
        "StableDiffusionXLInpaintPipeline",
        "StableDiffusionXLPipeline",
        "StableDiffusionXLPipelineOutput",
        "VaeImageProcessor",
        "decode",
        "generate",
        "load_latents",
        "reproduce",
        "save_latents",
    ),
    "kakusan.request": ("Request",),
    "kakusan.sampling": ("Step",),
    "kakusan.schedulers": (
        "DDIMCFGPPScheduler",
        "DDIMScheduler",
        "DDPMScheduler",
        "DEISMultistepScheduler",
        "DPMFastScheduler",
        "DPMPP2MCFGPPScheduler",
        "DPMPP2MSDEScheduler",
        "DPMPP2SAncestralScheduler",
        "DPMPP2SCFGPPScheduler",
        "DPMPP3MSDEScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSDEScheduler",
        "DPMSolverSinglestepScheduler",
        "ERSDEScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerCFGPPScheduler",
        "EDMDPMSolverMultistepScheduler",
        "EDMEulerScheduler",
        "EulerDiscreteScheduler",
        "GradientEstimationCFGPPScheduler",
        "GradientEstimationScheduler",
        "HeunDiscreteScheduler",
        "HeunPP2Scheduler",
        "ImprovedPNDMScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LCMScheduler",
        "LMSDiscreteScheduler",
        "PNDMScheduler",
        "RESMultistepCFGPPScheduler",
        "RESMultistepScheduler",
        "RestartScheduler",
        "SEEDS2Scheduler",
        "SEEDS3Scheduler",
        "TCDScheduler",
        "UniPCMultistepScheduler",
    ),
    "kakusan.text": ("CLIPTokenizer",),
    "kakusan.utils": ("logging",),
}
_HOMES = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = ["__version__", *sorted(_HOMES)]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        if name.startswith("_"):  # what Python itself asks for
            raise AttributeError(f"module 'kakusan' has no attribute {name!r}")
        raise importlib.import_module("kakusan.later").missing_name("kakusan", name, _HOMES)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
