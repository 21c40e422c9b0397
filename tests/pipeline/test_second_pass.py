"""Pictures drawn in two passes, against the two passes by hand: ours, and the reference's."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline
from kakusan.errors import RequestError
from kakusan.images import to_pil
from kakusan.inputs import Inputs, given_pictures
from kakusan.inputs.controls import ControlInput, control_pictures
from kakusan.models import ControlNetModel
from kakusan.pipeline import draw_together
from kakusan.request import Request
from kakusan.request.upscalers import UPSCALERS
from kakusan.schedulers import SCHEDULERS
from tests.models.test_controlnet import V1, written
from tests.oracle import tiny

PROMPT = "a cat on a red background"
OTHER = "an astronaut riding a horse, 4k"
SIZE = 64
LATENT = [name for name, each in UPSCALERS.items() if each.latent]
PIXEL = [name for name, each in UPSCALERS.items() if not each.latent]


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> StableDiffusionPipeline:
    found = StableDiffusionPipeline.from_pretrained(tiny_v1)
    found.set_progress_bar_config(disable=True)
    return found


def asked(prompt: str | tuple[str, ...] = PROMPT, **settings: Any) -> Request:
    settings = {"num_inference_steps": 4, "width": SIZE, "height": SIZE, "seed": 3} | settings
    settings.setdefault("second_pass", {"scale": 1.5, "strength": 0.6})
    return Request.of(prompt, **settings)


def last(pipe: Any, request: Request, **inputs: Any) -> torch.Tensor:
    *_, step = pipe.stream(request, **inputs)
    return step.latents


def by_hand(pipe: Any, scheduler: str, second: dict[str, Any], steps: int = 4) -> torch.Tensor:
    """The reference's two pipelines, with the noise of the seed drawn anew for the second."""
    with tiny.quiet():
        theirs = diffusers.StableDiffusionPipeline.from_pretrained(pipe.name_or_path)
        theirs.scheduler = getattr(diffusers, scheduler).from_config(theirs.scheduler.config)
        theirs.set_progress_bar_config(disable=True)
        call = {"guidance_scale": 7.5, "output_type": "latent", "prompt": PROMPT}
        size = {"height": SIZE, "width": SIZE}
        noise = torch.Generator().manual_seed(3)
        first = theirs(num_inference_steps=steps, generator=noise, **size, **call).images
        how = UPSCALERS[second["upscaler"]]
        side = int(SIZE * second["scale"])
        if how.latent:
            large = F.interpolate(
                first, (side // 8, side // 8), mode=how.mode, antialias=how.antialias
            )
        else:
            large = _through_pixels(theirs.vae, first, side, how.mode)
        after = diffusers.StableDiffusionImg2ImgPipeline(**theirs.components)
        after.set_progress_bar_config(disable=True)
        taken = second.get("steps", steps)
        ladder = int(taken / min(second["strength"], 0.999))
        return after(
            image=large,
            num_inference_steps=ladder,
            strength=min((taken + 0.5) / ladder, 1.0),
            generator=torch.Generator().manual_seed(3),
            **call,
        ).images


def _through_pixels(vae: Any, latents: torch.Tensor, side: int, mode: str) -> torch.Tensor:
    with torch.no_grad():
        pixels = vae.decode(latents / vae.config.scaling_factor).sample
    resampling = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}
    image = to_pil(pixels)[0].resize((side, side), resampling[mode])
    values = torch.from_numpy(np.asarray(image)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        return vae.encode(values).latent_dist.mode() * vae.config.scaling_factor


@pytest.mark.parametrize("upscaler", [*LATENT, *PIXEL])
def test_two_passes_are_the_references_two_pipelines(pipe: Any, upscaler: str) -> None:
    second = {"scale": 1.5, "strength": 0.6, "steps": 3, "upscaler": upscaler}
    found = last(pipe, asked(second_pass=second, scheduler="ddim"))
    expected = by_hand(pipe, "DDIMScheduler", second)
    assert found.shape == expected.shape == (1, 4, 12, 12)
    close = 2e-3 if upscaler in PIXEL else 1e-4  # a rounded pixel more or less
    assert float((found - expected).abs().max()) < close * float(expected.abs().max())


@pytest.mark.parametrize(
    "scheduler",
    [
        "EulerDiscreteScheduler",
        "DPMSolverMultistepScheduler",
        "PNDMScheduler",
        "HeunDiscreteScheduler",
    ],
)
@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_any_scheduler_takes_the_asked_steps(pipe: Any, scheduler: str, strength: float) -> None:
    second = {"scale": 1.5, "strength": strength, "upscaler": "Latent"}
    config = SCHEDULERS[scheduler].from_config(pipe.scheduler.config).config.to_published()
    found = last(pipe, asked(second_pass=second, scheduler=config))
    expected = by_hand(pipe, scheduler, second)
    assert float((found - expected).abs().max()) < 1e-3 * float(expected.abs().max())


def test_steps_of_both_passes_come_one_after_the_other(pipe: Any) -> None:
    request = asked(second_pass={"strength": 0.5, "steps": 3, "scale": 2}, scheduler="euler")
    steps = list(pipe.stream(request))
    assert [step.latents.shape[-1] for step in steps] == [8, 8, 8, 8, 16, 16, 16]
    assert [(step.index, step.total) for step in steps[4:]] == [(3, 6), (4, 6), (5, 6)]


def test_the_record_makes_it_again(pipe: Any) -> None:
    (picture,) = pipe.pictures(asked())
    record = picture.record
    assert picture.image.size == (96, 96)
    assert (record["width"], record["height"], record["seed"]) == (SIZE, SIZE, 3)
    assert record["second_pass"] == {
        "scale": 1.5,
        "upscaler": "Latent",
        "steps": 4,
        "strength": 0.6,
    }
    (again,) = pipe.pictures(replace(Request.from_record(record), model=None, commit=None))
    assert np.array_equal(np.asarray(again.image), np.asarray(picture.image))
    assert again.record == record


def test_pictures_of_two_prompts_are_the_same_alone(pipe: Any) -> None:
    second = {"scale": 1.5, "prompt": [OTHER, PROMPT]}
    request = asked((PROMPT, OTHER), num_images_per_prompt=2, second_pass=second)
    together = list(pipe.pictures(request))
    assert [each.record["seed"] for each in together] == [3, 4, 5, 6]
    (alone,) = pipe.pictures(request.picture(3))
    assert np.array_equal(np.asarray(alone.image), np.asarray(together[3].image))
    assert alone.record == together[3].record
    assert alone.record["second_pass"]["prompt"] == PROMPT
    batch = list(pipe.pictures(request, batch_size=4))
    far = np.abs(np.asarray(batch[3].image, int) - np.asarray(alone.image, int))
    assert far.max() <= 1


def test_drawn_together_with_plain_requests(pipe: Any) -> None:
    plain = asked(second_pass=None, width=96, height=96)
    found = dict(draw_together(pipe, [asked(), plain]))
    (alone,) = pipe.pictures(asked())
    far = np.abs(np.asarray(found[0].image, int) - np.asarray(alone.image, int))
    assert far.max() <= 1
    assert found[1].image.size == found[0].image.size == (96, 96)


def test_its_own_prompt_scheduler_and_guidance(pipe: Any) -> None:
    """As if the picture of one call was given to another one."""
    second = {"scale": 1.5, "strength": 0.5, "prompt": OTHER, "negative_prompt": "blurry"}
    second |= {"scheduler": "euler", "guidance_scale": 3.0}
    found = last(pipe, asked(second_pass=second))
    first = last(pipe, asked(second_pass=None))
    large = F.interpolate(first, (12, 12), mode="bilinear")
    after = asked(
        OTHER,
        negative_prompt="blurry",
        scheduler="euler",
        guidance_scale=3.0,
        num_inference_steps=8,
        strength=0.5625,
        width=96,
        height=96,
        second_pass=None,
    )
    assert torch.equal(found, last(pipe, after, image=large))


def test_both_sides_cut_off_the_middle_is_left(pipe: Any) -> None:
    request = asked(width=64, height=128, second_pass={"width": 96, "height": 128})
    assert last(pipe, request).shape == (1, 4, 16, 12)


def test_prompts_change_by_the_second_passs_clock(pipe: Any) -> None:
    """Integers go on counting, and fractions are from 1 to 2."""
    second = {"scale": 1.5, "strength": 0.5}

    def drawn(prompt: str, own: str | None = None, **more: Any) -> torch.Tensor:
        request = asked(
            prompt, prompt_syntax="webui", second_pass={**second, "prompt": own}, **more
        )
        return last(pipe, request)

    cat, dog = "a cat", "a dog"
    change = f"[{cat}:{dog}:0.5]"
    assert torch.equal(drawn(change), drawn(change, dog))
    assert torch.equal(drawn(f"[{cat}:{dog}:1.0]"), drawn(cat, dog))
    assert torch.equal(drawn(f"[{cat}:{dog}:6]"), drawn(cat, f"[{cat}:{dog}:1.5]"))
    assert not torch.equal(drawn(f"[{cat}:{dog}:6]"), drawn(cat, cat))
    old = drawn(change, old_timelines=True)
    assert not torch.equal(old, drawn(change, dog, old_timelines=True))


def test_a_generator_goes_on(pipe: Any, tiny_v1: Path) -> None:
    """As two calls of the reference with one generator."""
    request = asked(seed=None, scheduler="ddim", second_pass={"scale": 1.5, "strength": 0.5})
    found = last(pipe, request, generator=torch.Generator().manual_seed(5))
    with tiny.quiet():
        theirs = diffusers.StableDiffusionPipeline.from_pretrained(tiny_v1)
        theirs.scheduler = diffusers.DDIMScheduler.from_config(theirs.scheduler.config)
        noise = torch.Generator().manual_seed(5)
        call: dict[str, Any] = {"prompt": PROMPT, "generator": noise, "output_type": "latent"}
        first = theirs(num_inference_steps=4, height=SIZE, width=SIZE, **call).images
        large = F.interpolate(first, (12, 12), mode="bilinear")
        after = diffusers.StableDiffusionImg2ImgPipeline(**theirs.components)
        expected = after(image=large, num_inference_steps=8, strength=0.51, **call).images
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())
    (picture,) = pipe.pictures(request, generator=torch.Generator().manual_seed(5))
    assert picture.record["seed"] is None


def test_noise_of_other_tools_and_variations(pipe: Any) -> None:
    """The second pass has the large noise of the same rules."""
    rules = {"rng": "webui-cpu", "variation_seed": 9, "variation_strength": 0.3}
    rules |= {"seed_resize": (48, 48), "scheduler": "euler-a"}
    found = last(pipe, asked(second_pass={"scale": 1.5, "strength": 0.5}, **rules))
    first = last(pipe, asked(second_pass=None, **rules))
    large = F.interpolate(first, (12, 12), mode="bilinear")
    after = asked(
        num_inference_steps=8, strength=0.5625, width=96, height=96, second_pass=None, **rules
    )
    assert torch.equal(found, last(pipe, after, image=large))


def test_sdxl_too(tiny_xl: Path) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_xl)
    pipe.set_progress_bar_config(disable=True)
    found = last(pipe, asked(second_pass={"scale": 1.5, "strength": 0.5}))
    first = last(pipe, asked(second_pass=None))
    large = F.interpolate(first, (12, 12), mode="bilinear")
    after = asked(num_inference_steps=8, strength=0.5625, width=96, height=96, second_pass=None)
    assert torch.equal(found, last(pipe, after, image=large))


def test_it_may_follow_a_picture(pipe: Any) -> None:
    image = Image.new("RGB", (SIZE, SIZE), "red")
    request = asked(strength=0.5, second_pass={"scale": 1.5, "strength": 0.5})
    found = last(pipe, request, image=image)
    first = last(pipe, asked(strength=0.5, second_pass=None), image=image)
    large = F.interpolate(first, (12, 12), mode="bilinear")
    after = asked(num_inference_steps=8, strength=0.5625, width=96, height=96, second_pass=None)
    assert torch.equal(found, last(pipe, after, image=large))


def test_sides_that_are_no_whole_latents(pipe: Any) -> None:
    """int(64 * 1.7) is 108: 13 latents, through pixels too."""
    for upscaler in ("Latent", "Lanczos"):
        request = asked(second_pass={"scale": 1.7, "upscaler": upscaler})
        assert last(pipe, request).shape == (1, 4, 13, 13)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"width": 32}, "not larger than the first pass of 64x64"),
        ({"strength": 0.001}, "the last of 4000; at most 1000"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_pass(
    pipe: Any, second: dict[str, Any], said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        pipe.pictures(asked(second_pass=second))


def test_progress_counts_both_passes(pipe: Any) -> None:
    told: list[tuple[float, str]] = []
    request = asked(second_pass={"scale": 1.5, "steps": 2}, scheduler="ddim")
    drawing = pipe.prepared(request, Inputs())
    list(pipe.drawn(drawing, tell=lambda done, words: told.append((done, words))))
    assert [words for _, words in told[:3]] == ["step 0 of 6", "step 1 of 6", "step 2 of 6"]
    assert math.isclose(told[-1][0], 1.0)


def test_a_controlnet_steers_both_passes(pipe: Any, tmp_path: Path) -> None:
    """Its picture is brought to the size of each."""
    written(tmp_path, **V1)
    levels = np.random.default_rng(1).integers(0, 256, (96, 96, 3), np.uint8)
    shown = control_pictures("control_image", Image.fromarray(levels))
    controls = (ControlInput(ControlNetModel.from_pretrained(tmp_path), shown),)

    def latents(request: Request, image: Any = None) -> torch.Tensor:
        given = Inputs(controls=controls, image=given_pictures("image", image))
        request = replace(request, controls=({"scale": 1.0},))
        drawing = pipe.prepared(request, given)
        (batch,) = drawing.batches()
        *_, step = drawing.steps(batch)
        return step.latents

    found = latents(asked(second_pass={"scale": 1.5, "strength": 0.5}))
    large = F.interpolate(latents(asked(second_pass=None)), (12, 12), mode="bilinear")
    after = asked(num_inference_steps=8, strength=0.5625, width=96, height=96, second_pass=None)
    assert torch.equal(found, latents(after, large))
    assert not torch.equal(found, last(pipe, asked(second_pass={"scale": 1.5, "strength": 0.5})))
