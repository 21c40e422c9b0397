"""Modules that scripts import from the reference library, under the names that it gives them."""

import importlib
import inspect
import random
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

import diffusers
import numpy as np
import pytest
import torch
from diffusers.callbacks import SDCFGCutoffCallback as TheirCutoff
from diffusers.training_utils import compute_snr as their_snr

import kakusan
from kakusan.callbacks import MultiPipelineCallbacks, PipelineCallback, SDCFGCutoffCallback
from kakusan.errors import NotYetError, NotYetImportError, RequestError
from kakusan.training_utils import compute_snr, set_seed
from tests.pipeline.test_oracle import both

THERE = """
callbacks: MultiPipelineCallbacks PipelineCallback SDCFGCutoffCallback SDXLCFGCutoffCallback
callbacks: SDXLControlnetCFGCutoffCallback
image_processor: VaeImageProcessor
models: AutoencoderKL AutoencoderTiny ControlNetModel UNet2DConditionModel
models.attention_processor: AttnProcessor AttnProcessor2_0
pipelines: AutoPipelineForText2Image DiffusionPipeline StableDiffusionPipeline
pipelines: AutoPipelineForImage2Image StableDiffusionImg2ImgPipeline
pipelines: StableDiffusionXLPipeline StableDiffusionXLImg2ImgPipeline
pipelines: StableDiffusionXLInpaintPipeline StableDiffusionControlNetPipeline
pipelines.stable_diffusion: StableDiffusionInpaintPipeline StableDiffusionImg2ImgPipeline
pipelines.stable_diffusion_xl: StableDiffusionXLPipeline StableDiffusionXLPipelineOutput
pipelines.stable_diffusion: StableDiffusionPipelineOutput StableDiffusionSafetyChecker
pipelines.stable_diffusion.pipeline_stable_diffusion: StableDiffusionPipeline
pipelines.stable_diffusion.pipeline_stable_diffusion_img2img: StableDiffusionImg2ImgPipeline
pipelines.stable_diffusion.safety_checker: StableDiffusionSafetyChecker
schedulers: DDIMScheduler LCMScheduler PNDMScheduler UniPCMultistepScheduler
training_utils: compute_snr set_seed
"""
LATER = """
callbacks: IPAdapterScaleCutoffCallback
image_processor: PipelineImageInput VaeImageProcessorLDM3D
models: MotionAdapter SD3ControlNetModel
schedulers: FlowMatchEulerDiscreteScheduler KarrasDiffusionSchedulers SchedulerMixin
loaders: LoraLoaderMixin StableDiffusionLoraLoaderMixin AttnProcsLayers
models.attention_processor: Attention LoRAAttnProcessor XFormersAttnProcessor
optimization: get_scheduler get_cosine_schedule_with_warmup
pipelines: StableDiffusionXLPAGPipeline
pipelines.stable_diffusion: StableDiffusionUpscalePipeline
training_utils: EMAModel cast_training_params
"""


def names(table: str) -> list[tuple[str, str]]:
    lines = [line.split(": ") for line in table.strip().splitlines()]
    return [(module, name) for module, several in lines for name in several.split()]


@pytest.mark.parametrize(("module", "name"), names(THERE))
def test_a_name_is_where_the_reference_has_it(module: str, name: str) -> None:
    ours = getattr(importlib.import_module(f"kakusan.{module}"), name)
    assert ours.__name__ == name
    assert hasattr(importlib.import_module(f"diffusers.{module}"), name)
    assert getattr(kakusan, name, ours) is ours


@pytest.mark.parametrize(("module", "name"), names(LATER))
def test_a_name_that_comes_later_says_what_to_do(module: str, name: str) -> None:
    with pytest.raises(NotYetImportError, match=f"^{name} is not there yet; ") as caught:
        exec(f"from kakusan.{module} import {name}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", sorted({module for module, _ in names(THERE) + names(LATER)}))
def test_a_slip_of_the_finger_is_an_import_error(module: str) -> None:
    with pytest.raises(ImportError):
        exec(f"from kakusan.{module} import nothing_of_this_name")


@pytest.mark.parametrize("at", [{"cutoff_step_ratio": 0.4}, {"cutoff_step_index": 3}])
def test_guidance_ends_as_in_the_reference(tiny_v1: Path, at: dict[str, Any]) -> None:
    def draw(pipe: Any, cutoff: Any) -> Any:
        generator = torch.Generator().manual_seed(4)
        options: Any = {"cutoff_step_ratio": None, **at}
        return pipe(
            "a cat",
            num_inference_steps=6,
            generator=generator,
            output_type="np",
            callback_on_step_end=cutoff(**options),
        ).images

    ours, theirs = both(tiny_v1)
    expected = draw(theirs, TheirCutoff)
    np.testing.assert_allclose(draw(ours, SDCFGCutoffCallback), expected, atol=2e-3)


def test_the_pictures_of_a_batch_lose_their_guidance_each(tiny_v1: Path) -> None:
    pipe, _ = both(tiny_v1)

    class Seen(PipelineCallback):
        tensor_inputs = ("latents",)
        steps: ClassVar[list[tuple[int, bool]]] = []

        def callback_fn(
            self, pipeline: Any, step_index: int, timestep: Any, callback_kwargs: Any
        ) -> Any:
            assert timestep == pipeline.scheduler.timesteps[step_index]
            self.steps.append((step_index, pipeline.do_classifier_free_guidance))
            return callback_kwargs

    several = MultiPipelineCallbacks([SDCFGCutoffCallback(None, 1), Seen()])
    assert several.tensor_inputs == ["prompt_embeds", "latents"]
    pipe.scheduler = kakusan.DDIMScheduler.from_config(pipe.scheduler.config)
    output = pipe(["a cat", "a dog"], num_inference_steps=3, callback_on_step_end=several)
    assert Seen.steps == [(0, True), (1, False), (2, False)]
    assert [record["seed"] for record in output.records] == [None, None]
    unguided = pipe("a cat", num_inference_steps=2, guidance_scale=1.0, seed=1)
    same = pipe(
        "a cat",
        num_inference_steps=2,
        guidance_scale=1.0,
        seed=1,
        callback_on_step_end=SDCFGCutoffCallback(0.0),
    )
    assert (np.asarray(same.images[0]) == np.asarray(unguided.images[0])).all()
    assert same.records[0]["seed"] == 1


@pytest.mark.parametrize(
    "arguments", [(None,), (0.4, 2), (1.5,), ("half",), (True,), (None, -1), (None, 1.0)]
)
def test_a_cutoff_that_is_none(arguments: Any) -> None:
    with pytest.raises(RequestError, match="cutoff_step_"):
        SDCFGCutoffCallback(*arguments)


def test_the_published_steps_are_the_references() -> None:
    ours, theirs = (
        importlib.import_module(f"{library}.schedulers").AysSchedules
        for library in ("kakusan", "diffusers")
    )
    assert all(theirs[name] == ours[name] for name in ours)


def test_snr_is_the_references() -> None:
    timesteps = torch.tensor([0, 1, 500, 999])
    ours, theirs = (
        library.DDPMScheduler(beta_schedule="scaled_linear") for library in (kakusan, diffusers)
    )
    torch.testing.assert_close(compute_snr(ours, timesteps), their_snr(theirs, timesteps))


def test_one_seed_for_all_generators() -> None:
    drawn: list[tuple[float, ...]] = []
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        for seed in (7, 7, 8, 2**40):
            set_seed(seed)
            drawn.append((random.random(), float(np.random.rand()), float(torch.rand(()))))
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize("name", ["AttnProcessor", "AttnProcessor2_0"])
def test_the_processors_are_taken_by_networks(tiny_v1: Path, name: str) -> None:
    module = importlib.import_module("kakusan.models.attention_processor")
    unet = kakusan.UNet2DConditionModel.from_pretrained(tiny_v1, subfolder="unet")
    unet.set_attn_processor(getattr(module, name)())
    for call in ("compile_repeated_blocks", "set_attention_backend", "fuse_lora"):
        with pytest.raises(NotYetError, match=f"{call} is not there yet; "):
            getattr(unet, call)("x")


def test_what_a_call_tells_can_be_looked_at_in_the_class(tiny_v1: Path) -> None:
    kind = kakusan.StableDiffusionPipeline
    assert hasattr(kind, "guidance_scale")
    assert "interrupt" in dict(inspect.getmembers(kind))
    assert mock.create_autospec(kind).num_timesteps is not None
    pipe = kind.from_pretrained(tiny_v1)
    assert pipe._execution_device == pipe.device
    assert repr(pipe).startswith("StableDiffusionPipeline(vae=AutoencoderKL, ")
    output = pipe("a", num_inference_steps=1, callback_on_step_end_tensor_inputs=None)
    assert len(output.images) == 1
    with pytest.raises(NotYetError, match="text_encoder_2 is not there yet"):
        pipe.text_encoder_2  # noqa: B018
