# ruff: noqa: E501
"""Lines of present-day scripts, in both libraries: each works as there, or says why in one line."""

import copy
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from kakusan.errors import KakusanError
from tests.pipeline.test_oracle import both

# Each line may use what a script has at hand: a pipeline, its library, and the names of `given`.
# A line with a value at its end has the same one in both libraries.
SAME = """
pipe(prompt, num_inference_steps=2, generator=g(0)).images[0]
pipe(prompt, num_inference_steps=2, generator=g(0))["images"][0]
pipe(prompt, num_inference_steps=2, generator=g(0))[0][0]
pipe(prompt, num_inference_steps=2, generator=g(0)).to_tuple()[0][0]
pipe(prompt=prompt, num_inference_steps=2, generator=g(0), return_dict=False)[0][0]
pipe(prompt, num_inference_steps=2, generator=g(0), output_type="np").images
pipe(prompt, num_inference_steps=2, generator=g(0), output_type="pt").images
pipe(prompt, num_inference_steps=2, generator=g(0), output_type="latent").images
pipe(prompt, negative_prompt="blur", guidance_scale=9, num_inference_steps=2, generator=g(1)).images[0]
pipe([prompt] * 2, num_inference_steps=2, generator=[g(i) for i in range(2)]).images[1]
pipe(prompt, num_images_per_prompt=2, num_inference_steps=2, generator=g(3)).images[1]
pipe(prompt, 64, 72, num_inference_steps=2, generator=g(0)).images[0].size
pipe(prompt, width=72, height=64, num_inference_steps=2, generator=g(0)).images[0].size
pipe(prompt, cross_attention_kwargs=None, num_inference_steps=1, generator=g(0)).images[0]
pipe(prompt, ip_adapter_image=None, num_inference_steps=1, generator=g(0)).images[0]
pipe(prompt, guidance_rescale=0.7, num_inference_steps=2, generator=g(0)).images[0]
pipe(prompt, latents=torch.randn((1, 4, 8, 8), generator=g(0)), height=64, width=64, num_inference_steps=2).images[0]
pipe(prompt, num_inference_steps=2, generator=g(0), callback=lambda i, t, l: None, callback_steps=1).images[0]
pipe(prompt, num_inference_steps=2, generator=g(0), callback_on_step_end=lambda p, i, t, k: k).images[0]
pipe(prompt, num_inference_steps=2, generator=g(0)).nsfw_content_detected
pipe.encode_prompt(prompt, pipe.device, 1, True, "blur")[0]
pipe.encode_prompt(prompt=prompt, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=True)[1]
pipe.image_processor.postprocess(torch.zeros(1, 3, 8, 8), output_type="pil", do_denormalize=[True])[0]
pipe.image_processor.numpy_to_pil(np.zeros((1, 8, 8, 3)))[0]
pipe.image_processor.pt_to_numpy(torch.zeros(1, 3, 8, 8))
pipe.image_processor.preprocess(picture)
pipe.numpy_to_pil(np.ones((1, 8, 8, 3)))[0]
pipe.vae_scale_factor
pipe.unet.config.in_channels
pipe.unet.config.sample_size
pipe.vae.config.scaling_factor
pipe.tokenizer.model_max_length
pipe.text_encoder.config.hidden_size
pipe.scheduler.init_noise_sigma
pipe.scheduler.config.num_train_timesteps
pipe.scheduler.alphas_cumprod
pipe.config.requires_safety_checker
pipe.config["unet"][1]
pipe.components["vae"] is pipe.vae
sorted(name for name, part in pipe.components.items() if part is not None)
pipe.device
pipe.device.type
pipe.dtype
pipe.unet.dtype
pipe.hf_device_map
pipe.to("cpu") is pipe
pipe.to(torch.float32) is pipe
pipe.to("cpu", torch.float32) is pipe
pipe.enable_attention_slicing()
pipe.disable_attention_slicing()
pipe.fuse_qkv_projections()
pipe.set_progress_bar_config(disable=True)
pipe.set_progress_bar_config(leave=False, desc="x", disable=True)
pipe.maybe_free_model_hooks()
pipe.remove_all_hooks()
pipe.safety_checker is None
setattr(pipe, "safety_checker", None)
pipe.register_modules(scheduler=pipe.scheduler)
pipe.check_inputs(prompt, 64, 64, None)
pipe.prepare_latents(1, 4, 64, 64, torch.float32, "cpu", g(0))
pipe.prepare_extra_step_kwargs(g(0), 0.0)
pipe.run_safety_checker(torch.zeros(1, 3, 8, 8), "cpu", torch.float32)[1]
pipe.vae.enable_slicing()
pipe.vae.disable_slicing()
pipe.vae.enable_tiling()
pipe.vae.disable_tiling()
pipe.vae.decode(torch.ones(1, 4, 8, 8)).sample
pipe.vae.decode(torch.ones(1, 4, 8, 8), return_dict=False)[0]
pipe.vae.encode(torch.zeros(1, 3, 64, 64)).latent_dist.mean
pipe.vae.encode(torch.zeros(1, 3, 64, 64)).latent_dist.sample(g(0))
pipe.text_encoder(ids)[0]
pipe.text_encoder(ids).last_hidden_state
pipe.unet(torch.ones(1, 4, 8, 8), 10, encoder_hidden_states=torch.ones(1, 77, 32)).sample
pipe.unet(torch.ones(1, 4, 8, 8), torch.tensor(10), torch.ones(1, 77, 32), return_dict=False)[0]
pipe.tokenizer(prompt, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
pipe.scheduler.set_timesteps(5); pipe.scheduler.timesteps
lib.EulerDiscreteScheduler.from_config(pipe.scheduler.config).config.beta_end
lib.DPMSolverMultistepScheduler.from_config(pipe.scheduler.config, use_karras_sigmas=True).config.use_karras_sigmas
setattr(pipe, "scheduler", lib.DDIMScheduler.from_config(pipe.scheduler.config)); pipe(prompt, num_inference_steps=2, generator=g(0)).images[0]
setattr(pipe, "scheduler", lib.EulerAncestralDiscreteScheduler.from_config(pipe.scheduler.config)); pipe(prompt, num_inference_steps=2, generator=g(0)).images[0]
lib.StableDiffusionPipeline(**pipe.components, requires_safety_checker=False)(prompt, num_inference_steps=1, generator=g(0)).images[0]
lib.utils.make_image_grid([picture] * 4, rows=2, cols=2)
lib.utils.load_image(picture).size
lib.utils.logging.set_verbosity_error()
lib.utils.logging.disable_progress_bar()
lib.logging.set_verbosity_error()
lib.utils.torch_utils.randn_tensor((1, 4, 8, 8), generator=g(0), device="cpu", dtype=torch.float32)
lib.VaeImageProcessor(vae_scale_factor=8).preprocess(picture)
copy.deepcopy(pipe)(prompt, num_inference_steps=1, generator=g(0)).images[0]
pickle.loads(pickle.dumps(pipe.scheduler)).config.beta_end
pipe.name_or_path is not None
""".strip().splitlines()

# Lines that have no equal result: they do something here, or end in one line of a KakusanError.
OTHERS = """
pipe.unfuse_qkv_projections()
pipe.disable_vae_tiling()
pipe.enable_vae_tiling()
pipe.disable_vae_slicing()
pipe.enable_vae_slicing()
pipe.enable_xformers_memory_efficient_attention()
pipe.disable_xformers_memory_efficient_attention()
pipe.enable_model_cpu_offload()
pipe.enable_sequential_cpu_offload()
pipe.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
pipe.disable_freeu()
pipe.load_lora_weights("folder", weight_name="pytorch_lora_weights.safetensors")
pipe.unload_lora_weights()
pipe.fuse_lora(lora_scale=0.7)
pipe.unfuse_lora()
pipe.set_adapters(["a", "b"], adapter_weights=[0.5, 0.5])
pipe.get_active_adapters()
pipe.get_list_adapters()
pipe.delete_adapters("a")
pipe.disable_lora()
pipe.load_textual_inversion("sd-concepts-library/cat-toy")
pipe.load_ip_adapter("h94/IP-Adapter", subfolder="models", weight_name="x.bin")
pipe.set_ip_adapter_scale(0.6)
pipe.get_guidance_scale_embedding(torch.ones(1))
pipe.upcast_vae()
pipe.text_encoder_2
pipe.tokenizer_2
pipe.image_encoder
pipe.prepare_ip_adapter_image_embeds(None, None, "cpu", 1, True)
pipe.nothing_of_this_name
pipe(prompt, image=picture, strength=0.5)
pipe(prompt, mask_image=picture)
pipe(prompt, cross_attention_kwargs={"scale": 0.5})
pipe(prompt, ip_adapter_image=picture)
pipe(prompt, prompt_2="x")
pipe(prompt, denoising_end=0.8)
pipe(prompt, controlnet_conditioning_scale=0.5)
pipe(prompt, num_inference_steps=3, timesteps=[900, 1])
pipe(prompt, callback_on_step_end_tensor_inputs=["noise_pred"])
pipe(prompt, prompt_embeds=torch.ones(1, 77, 32))
pipe(prompt_embeds=torch.ones(1, 77, 32, dtype=torch.int64))
pipe(prompt, guidance=7)
pipe(prompt, steps=7)
pipe(prompt, nonsense=1)
lib.StableDiffusionPipeline.from_single_file("v1-5-pruned.safetensors")
lib.StableDiffusionXLPipeline.from_pretrained("stabilityai/stable-diffusion-xl-base-1.0")
lib.StableDiffusionInpaintPipeline.from_pretrained("x")
lib.StableDiffusionControlNetPipeline.from_pretrained("x")
lib.StableDiffusionUpscalePipeline.from_pretrained("x")
lib.StableDiffusionInstructPix2PixPipeline.from_pretrained("x")
lib.StableDiffusionDepth2ImgPipeline.from_pretrained("x")
lib.StableDiffusion3Pipeline.from_pretrained("x")
lib.FluxPipeline.from_pretrained("black-forest-labs/FLUX.1-dev")
lib.AutoPipelineForInpainting.from_pretrained("x")
lib.ControlNetModel.from_pretrained("lllyasviel/sd-controlnet-canny")
lib.T2IAdapter.from_pretrained("x")
lib.MotionAdapter.from_pretrained("x")
lib.AutoencoderTiny.from_pretrained("madebyollin/taesd")
lib.LCMScheduler.from_config(pipe.scheduler.config)
lib.UniPCMultistepScheduler.from_config(pipe.scheduler.config)
lib.DPMSolverSinglestepScheduler.from_config(pipe.scheduler.config)
lib.DPMSolverSDEScheduler.from_config(pipe.scheduler.config)
lib.DEISMultistepScheduler.from_config(pipe.scheduler.config)
lib.KDPM2DiscreteScheduler.from_config(pipe.scheduler.config)
lib.KDPM2AncestralDiscreteScheduler.from_config(pipe.scheduler.config)
lib.utils.export_to_gif([picture], "x.gif")
lib.utils.load_image("nowhere.png")
pipe._guidance_scale
setattr(pipe, "safety_checker", lambda images, clip_input: (images, [False] * len(images)))
from LIBRARY import EMAModel
from LIBRARY import CLIPTextModelWithProjection
from LIBRARY import get_scheduler
from LIBRARY import StableDiffusionXLPipeline, AutoencoderKL
from LIBRARY import DDIMInverseScheduler
from LIBRARY import BitsAndBytesConfig
from LIBRARY.utils import export_to_video
from LIBRARY.utils import check_min_version
""".strip().splitlines()


def g(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def given(pipe: Any, lib: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "pipe": pipe,
        "lib": lib,
        "prompt": "a cat on a red background",
        "picture": Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8)),
        "ids": torch.arange(77)[None] % 40,
        "g": g,
        "torch": torch,
        "np": np,
        "copy": copy,
        "pickle": pickle,
    }


def run(line: str, pipe: Any, lib: Any) -> Any:
    names = given(pipe, lib)
    if line.startswith("from "):
        exec(line.replace("LIBRARY", lib.__name__), names)
        return None
    *first, last = line.split("; ")
    with quiet(), torch.no_grad():
        for each in first:
            exec(each, names)
        return eval(last, names)


@pytest.fixture(scope="module")
def loaded(tiny_v1: Path) -> tuple[Any, Any]:
    return both(tiny_v1)


@pytest.fixture
def pair(loaded: tuple[Any, Any]) -> Iterator[tuple[Any, Any]]:
    __import__("kakusan.utils.torch_utils")
    __import__("diffusers.utils.torch_utils")
    libraries = (kakusan.utils.logging, diffusers.utils.logging)
    before = [each.get_logger().level for each in libraries]  # not what it inherits
    yield copy.deepcopy(loaded)
    for each, level in zip(libraries, before, strict=True):  # what lines are about
        each.set_verbosity(level)
        each.enable_progress_bar()


def assert_equal(ours: Any, theirs: Any) -> None:
    if isinstance(ours, Image.Image):
        difference = np.abs(np.asarray(ours).astype(int) - np.asarray(theirs))
        assert ours.size == theirs.size
        assert difference.max() <= 1
    elif isinstance(ours, torch.Tensor | np.ndarray):
        assert type(ours) is type(theirs)
        theirs = torch.as_tensor(theirs)
        assert ours.shape == theirs.shape
        difference = (torch.as_tensor(ours).double() - theirs.double()).abs().max()
        assert difference <= 1e-3 * max(1.0, float(theirs.abs().max()))
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
    else:
        assert ours == theirs


@pytest.mark.parametrize("line", SAME)
def test_a_line_gives_what_it_gives_there(pair: tuple[Any, Any], line: str) -> None:
    ours = run(line, pair[0], kakusan)
    assert_equal(ours, run(line, pair[1], diffusers))


@pytest.mark.parametrize("line", OTHERS)
def test_a_line_works_or_says_why_in_one_line(pair: tuple[Any, Any], line: str) -> None:
    said: Exception | None = None
    try:
        run(line, pair[0], kakusan)
    except (KakusanError, AttributeError) as error:
        said = error
    assert "\n" not in str(said)
    assert len(str(said)) < 700
    assert isinstance(said, KakusanError | None) or "nothing_of_this_name" in line


def test_there_are_as_many_lines_as_were_tried() -> None:
    assert len(SAME) + len(OTHERS) >= 106
    assert len(set(SAME)) == len(SAME) >= 60
