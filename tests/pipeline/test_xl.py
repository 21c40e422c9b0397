"""SDXL beside the reference library's, on tiny checkpoints with random weights."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from tests.pipeline.test_oracle import assert_same_pictures, levels, seeded

PROMPTS = ["a cat on a red background", "an astronaut riding a horse, 4k"]
Call = Callable[[Any], Any]
Pair = tuple[kakusan.StableDiffusionXLPipeline, Any]


def both(folder: Path) -> Pair:
    ours = kakusan.StableDiffusionXLPipeline.from_pretrained(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = diffusers.StableDiffusionXLPipeline.from_pretrained(folder)
    ours.set_progress_bar_config(disable=True)
    theirs.set_progress_bar_config(disable=True)
    return ours, theirs


@pytest.fixture(scope="module")
def pair(tiny_xl: Path) -> Pair:
    return both(tiny_xl)


def embeddings(seed: int, pooled: bool, tokens: int = 77) -> torch.Tensor:
    shape = (1, 24) if pooled else (1, tokens, 72)
    return torch.randn(shape, generator=seeded(seed)[0])


CALLS: dict[str, Call] = {
    "plain": lambda pipe: pipe(PROMPTS[0], generator=seeded(1)[0], num_inference_steps=5),
    "negative": lambda pipe: pipe(
        PROMPTS[0], negative_prompt="blur", generator=seeded(1)[0], num_inference_steps=5
    ),
    "empty negative": lambda pipe: pipe(
        PROMPTS[0], negative_prompt="", generator=seeded(1)[0], num_inference_steps=5
    ),
    "second texts": lambda pipe: pipe(
        PROMPTS[0],
        prompt_2=PROMPTS[1],
        negative_prompt="blur",
        negative_prompt_2="ugly",
        generator=seeded(1)[0],
        num_inference_steps=5,
    ),
    "empty second texts": lambda pipe: pipe(
        PROMPTS[0],
        prompt_2="",
        negative_prompt="blur",
        negative_prompt_2="",
        generator=seeded(1)[0],
        num_inference_steps=3,
    ),
    "sizes": lambda pipe: pipe(
        PROMPTS[0],
        height=64,
        width=96,
        original_size=(512, 768),
        crops_coords_top_left=(16, 32),
        target_size=(640, 896),
        generator=seeded(2)[0],
        num_inference_steps=4,
    ),
    "negative sizes": lambda pipe: pipe(
        PROMPTS[0],
        original_size=(512, 768),
        crops_coords_top_left=(16, 32),
        negative_original_size=(256, 128),
        negative_target_size=(1024, 999),
        generator=seeded(2)[0],
        num_inference_steps=4,
    ),
    "negative sizes and crops": lambda pipe: pipe(
        PROMPTS[0],
        negative_original_size=(256, 128),
        negative_crops_coords_top_left=(5, 6),
        negative_target_size=(1024, 999),
        generator=seeded(2)[0],
        num_inference_steps=4,
    ),
    "several": lambda pipe: pipe(
        PROMPTS,
        prompt_2=["one", "two"],
        negative_prompt=["", "blur"],
        num_images_per_prompt=2,
        generator=seeded(5, 6, 7, 8),
        num_inference_steps=4,
    ),
    "guidance 1": lambda pipe: pipe(
        PROMPTS[0], guidance_scale=1.0, generator=seeded(3)[0], num_inference_steps=5
    ),
    "rescale": lambda pipe: pipe(
        PROMPTS[0], guidance_rescale=0.7, generator=seeded(1)[0], num_inference_steps=4
    ),
    "clip skip": lambda pipe: pipe(
        PROMPTS[0],
        negative_prompt="blur",
        clip_skip=1,
        generator=seeded(1)[0],
        num_inference_steps=4,
    ),
    "clip skip 0": lambda pipe: pipe(
        PROMPTS[0], clip_skip=0, generator=seeded(1)[0], num_inference_steps=4
    ),
    "embeddings": lambda pipe: pipe(
        prompt_embeds=embeddings(1, False),
        pooled_prompt_embeds=embeddings(2, True),
        negative_prompt_embeds=embeddings(3, False),
        negative_pooled_prompt_embeds=embeddings(4, True),
        generator=seeded(1)[0],
        num_inference_steps=4,
    ),
    "embeddings without negative ones": lambda pipe: pipe(
        prompt_embeds=embeddings(1, False, 154),
        pooled_prompt_embeds=embeddings(2, True),
        generator=seeded(1)[0],
        num_inference_steps=4,
    ),
    "embeddings beside a text": lambda pipe: pipe(
        prompt_embeds=embeddings(1, False),
        pooled_prompt_embeds=embeddings(2, True),
        negative_prompt="blur",
        generator=seeded(1)[0],
        num_inference_steps=4,
    ),
    "latents": lambda pipe: pipe(
        PROMPTS[0],
        latents=torch.randn((1, 4, 8, 8), generator=seeded(2)[0]),
        num_inference_steps=4,
    ),
    "timesteps": lambda pipe: pipe(
        PROMPTS[0], timesteps=[900, 600, 300, 1], generator=seeded(2)[0]
    ),
    "stopped midway": lambda pipe: pipe(
        PROMPTS[0], denoising_end=0.6, generator=seeded(2)[0], num_inference_steps=10
    ),
    "not stopped": lambda pipe: pipe(
        PROMPTS[0], denoising_end=1.0, generator=seeded(2)[0], num_inference_steps=4
    ),
    "older callback": lambda pipe: pipe(
        PROMPTS[0],
        generator=seeded(2)[0],
        num_inference_steps=3,
        callback=lambda *_: None,
        callback_steps=1,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_pictures_are_the_references(pair: Pair, name: str) -> None:
    assert_same_pictures(pair, CALLS[name])


def load_refiners(folder: Path, base: Pair) -> Any:
    """The refiner as its authors say: with the base's VAE and second text encoder."""
    ours = kakusan.DiffusionPipeline.from_pretrained(
        folder, text_encoder_2=base[0].text_encoder_2, vae=base[0].vae
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = diffusers.DiffusionPipeline.from_pretrained(
            folder, text_encoder_2=base[1].text_encoder_2, vae=base[1].vae
        )
    ours.set_progress_bar_config(disable=True)
    theirs.set_progress_bar_config(disable=True)
    return ours, theirs


@pytest.fixture(scope="module")
def refiners(tiny_refiner: Path, pair: Pair) -> Any:
    return load_refiners(tiny_refiner, pair)


STAGES: dict[str, tuple[float | None, dict[str, Any]]] = {
    "handed over": (0.6, {"denoising_start": 0.6}),
    "handed over, and stopped": (0.5, {"denoising_start": 0.5, "denoising_end": 0.9}),
    "on finished latents": (None, {"strength": 0.5}),
    "with the usual strength": (None, {}),
    "scores": (0.6, {"denoising_start": 0.6, "aesthetic_score": 9, "negative_aesthetic_score": 1}),
    "sizes": (
        0.6,
        {
            "denoising_start": 0.6,
            "original_size": (512, 300),
            "crops_coords_top_left": (8, 4),
            "negative_original_size": (99, 98),
            "negative_crops_coords_top_left": (3, 2),
        },
    ),
    "crops alone": (0.6, {"denoising_start": 0.6, "crops_coords_top_left": (8, 4)}),
    "a negative prompt": (0.6, {"denoising_start": 0.6, "negative_prompt": "blur"}),
    "without guidance": (0.6, {"denoising_start": 0.6, "guidance_scale": 1.0}),
    "several": (0.6, {"denoising_start": 0.6, "num_images_per_prompt": 2}),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("scheduler", ["EulerDiscreteScheduler", "HeunDiscreteScheduler"])
@pytest.mark.parametrize("name", STAGES)
def test_two_stages_are_the_references(
    pair: Pair, refiners: Any, name: str, scheduler: str
) -> None:
    end, options = STAGES[name]
    pictures: list[np.ndarray] = []
    for base, refiner, library in zip(pair, refiners, (kakusan, diffusers), strict=True):
        kept = base.scheduler, refiner.scheduler
        for pipe in (base, refiner):
            pipe.scheduler = getattr(library, scheduler).from_config(pipe.scheduler.config)
        latents = base(
            PROMPTS[0],
            generator=seeded(1)[0],
            num_inference_steps=10,
            denoising_end=end,
            output_type="latent",
        ).images

        def refine(pipe: Any, latents: Any = latents) -> Any:
            return pipe(
                PROMPTS[1],
                image=latents,
                generator=seeded(3)[0],
                num_inference_steps=10,
                **options,
            )

        pictures.append(levels(refiner, refine))
        base.scheduler, refiner.scheduler = kept
    ours, theirs = pictures
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1
    assert theirs.std() > 10
