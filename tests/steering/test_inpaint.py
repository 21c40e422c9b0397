"""Inpainting, against the reference's pipelines: whole pictures."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image

import kakusan
from tests.oracle import bpe, tiny
from tests.steering.test_img2img import (
    ARRAY,
    OTHER,
    PICTURE,
    PROMPTS,
    SIZE,
    THEIR_SCHEDULERS,
    WITHOUT,
    assert_alike,
    generator,
    ours,
    pictures,
    reference,
    with_scheduler,
)

LEVELS = np.zeros((SIZE, SIZE), np.uint8)
LEVELS[10:45, 20:60] = 255
MASK = Image.fromarray(LEVELS)
ROUND = np.zeros((SIZE, SIZE), np.float32)
ROUND[(np.indices((SIZE, SIZE)) - 30).__pow__(2).sum(0) < 400] = 1
FAMILIES = ("v1", "v2", "xl", "v1 of 9", "v2 of 9", "xl of 9")


def of_nine(folder: Path, name: str) -> Path:
    """A tiny model that repaints."""
    with tiny.quiet():
        if name == "xl":
            diffusers.StableDiffusionXLInpaintPipeline(
                vae=tiny.vae(force_upcast=True, scaling_factor=0.13025),
                text_encoder=tiny.text_encoder(),
                text_encoder_2=tiny.text_encoder_2(),
                tokenizer=tiny.tokenizer(folder / "tokenizer", bpe.END),
                tokenizer_2=tiny.tokenizer(folder / "tokenizer_2", "!"),
                unet=tiny.unet(**tiny.XL_UNET, in_channels=9),
                scheduler=diffusers.EulerDiscreteScheduler.from_config(tiny.XL_SCHEDULER),
            ).save_pretrained(folder)
            return folder
        family = tiny.V1 if name == "v1" else tiny.V2
        diffusers.StableDiffusionInpaintPipeline(
            vae=tiny.vae(),
            text_encoder=tiny.text_encoder(**family.text),
            tokenizer=tiny.tokenizer(folder / "tokenizer", family.pad_token),
            unet=tiny.unet(**family.unet, in_channels=9),
            scheduler=diffusers.PNDMScheduler.from_config(tiny.SCHEDULER | family.scheduler),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def pairs(
    tiny_v1: Path, tiny_v2: Path, tiny_xl: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Any, Any]]:
    folders = {"v1": tiny_v1, "v2": tiny_v2, "xl": tiny_xl}
    for name in ("v1", "v2", "xl"):
        folders[f"{name} of 9"] = of_nine(tmp_path_factory.mktemp("nine"), name)
    found: dict[str, tuple[Any, Any]] = {}
    for name, folder in folders.items():
        xl = "XL" if name.startswith("xl") else ""
        theirs = getattr(diffusers, f"StableDiffusion{xl}InpaintPipeline")
        mine = getattr(kakusan, f"StableDiffusion{xl}InpaintPipeline")
        found[name] = reference(theirs, folder), ours(mine, folder)
    return found


def call(**changes: Any) -> dict[str, Any]:
    given = {"prompt": PROMPTS[0], "image": PICTURE, "mask_image": MASK, "strength": 0.75}
    return {**given, "num_inference_steps": 6, "height": SIZE, "width": SIZE, **changes}


def both(pair: tuple[Any, Any], given: dict[str, Any], seeds: int = 0) -> tuple[Any, Any]:
    drawn = [
        pictures(
            pipe,
            **given,
            generator=[generator(i) for i in range(seeds)] if seeds else generator(),
        )
        for pipe in pair
    ]
    return drawn[0], drawn[1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("strength", [0.3, 0.75, 1.0])
def test_strengths(pairs: Any, family: str, strength: float) -> None:
    expected, found = both(pairs[family], call(strength=strength))
    assert_alike(found, expected)


TENSOR = torch.from_numpy(ARRAY / np.float32(255)).permute(2, 0, 1)
CALLS: dict[str, dict[str, Any]] = {
    "as it comes": {"strength": None},
    "two prompts": {"prompt": PROMPTS},
    "two pictures": {"prompt": PROMPTS, "image": [PICTURE, OTHER], "mask_image": [MASK, MASK]},
    "two masks": {"prompt": PROMPTS, "mask_image": [MASK, Image.fromarray(255 - LEVELS)]},
    "several of each": {"num_images_per_prompt": 2},
    "no guidance": {"guidance_scale": 1.0},
    "negative": {"negative_prompt": "ugly", "guidance_scale": 3.0},
    "a soft mask": {"mask_image": Image.linear_gradient("L").resize((SIZE, SIZE))},
    "a mask in RGB": {"mask_image": MASK.convert("RGB")},
    "a larger mask": {"mask_image": MASK.resize((128, 128))},
    "arrays": {"image": ARRAY / np.float32(255), "mask_image": ROUND},
    "tensors": {"image": TENSOR, "mask_image": torch.from_numpy(ROUND)},
    "a mask (1, h, w)": {"image": TENSOR[None], "mask_image": torch.from_numpy(ROUND)[None]},
    "a mask (n, 1, h, w)": {"image": TENSOR, "mask_image": torch.from_numpy(ROUND)[None, None]},
    "an odd size": {"image": PICTURE.resize((70, 66)), "mask_image": MASK.resize((70, 66))},
    "latents": {"latents": torch.randn(1, 4, 8, 8, generator=generator(9))},
    "masked latents": {"masked_image_latents": torch.randn(1, 4, 8, 8, generator=generator(9))},
    "all": {"mask_image": Image.new("L", (SIZE, SIZE), 255), "strength": 1.0},
    "nothing": {"mask_image": Image.new("L", (SIZE, SIZE))},
}


@pytest.mark.parametrize("family", ["v1", "v1 of 9"])
@pytest.mark.parametrize("changes", CALLS.values(), ids=CALLS)
def test_calls(pairs: Any, family: str, changes: dict[str, Any]) -> None:
    given = call(**changes)
    if given["strength"] is None:
        del given["strength"]
    expected, found = both(pairs[family], given)
    assert_alike(found, expected)


@pytest.mark.parametrize("family", ["v1", "xl", "v1 of 9"])
@pytest.mark.parametrize("scheduler", ["EulerAncestralDiscreteScheduler", "LCMScheduler"])
def test_random_numbers_in_the_same_order(pairs: Any, family: str, scheduler: str) -> None:
    pair = with_scheduler(pairs[family], scheduler)
    for strength in (0.75, 1.0):
        expected, found = both(pair, call(prompt=PROMPTS, strength=strength))
        assert_alike(found, expected)
        expected, found = both(pair, call(prompt=PROMPTS, strength=strength), seeds=2)
        assert_alike(found, expected)


@pytest.mark.parametrize("name", [each for each in THEIR_SCHEDULERS if each not in WITHOUT])
def test_every_scheduler(pairs: Any, name: str) -> None:
    pair = with_scheduler(pairs["v1"], name)
    strength = 1.0 if name == "LMSDiscreteScheduler" else 0.6  # as for image-to-image
    given = call(strength=strength, num_inference_steps=5, guidance_scale=3.0)
    expected, found = both(pair, given)
    assert_alike(found, expected)


def test_a_part_of_the_way(pairs: Any) -> None:
    family = "xl"
    given = call(denoising_start=0.5, denoising_end=0.9, num_inference_steps=10)
    expected, found = both(pairs[family], given)
    assert_alike(found, expected)
    latents = torch.randn(1, 4, 8, 8, generator=generator(9))
    expected, found = both(pairs[family], call(image=latents, denoising_start=0.5))
    assert_alike(found, expected)


@pytest.mark.parametrize("family", ["v1", "xl"])
def test_only_the_part_around_the_mask(pairs: Any, family: str) -> None:
    large = PICTURE.resize((150, 120), Image.Resampling.BICUBIC)
    mask = Image.new("L", large.size)
    mask.paste(255, (50, 40, 90, 60))
    given = call(image=large, mask_image=mask, padding_mask_crop=8)
    theirs, mine = pairs[family]
    with tiny.quiet():
        expected = theirs(**given, generator=generator(), output_type="pil").images[0]
    found = mine(**given, generator=generator()).images[0]
    assert_alike(np.asarray(found)[None] * 1.0, np.asarray(expected)[None] * 1.0)
    outside = np.asarray(mask) == 0
    assert np.array_equal(np.asarray(found)[outside], np.asarray(large)[outside])


def test_pipelines_of_others(pairs: Any) -> None:
    _, mine = pairs["v1"]
    plain = kakusan.AutoPipelineForText2Image.from_pipe(mine)
    assert type(plain) is kakusan.StableDiffusionPipeline
    painter = kakusan.AutoPipelineForInpainting.from_pipe(plain)
    assert type(painter) is kakusan.StableDiffusionInpaintPipeline
    assert painter.unet is mine.unet
    assert type(painter) is type(kakusan.StableDiffusionInpaintPipeline.from_pipe(plain))
