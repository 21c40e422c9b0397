"""Latent consistency models: whole pictures beside the reference's."""

import warnings
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan.errors import RequestError
from kakusan.pipeline import draw_together

PROMPTS = ["a cat on a red background", "an astronaut riding a horse, 4k"]


def loaded(kind: Any, folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipe = kind.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def pair(tiny_lcm: Path) -> tuple[Any, Any]:
    kinds = (kakusan.StableDiffusionPipeline, diffusers.StableDiffusionPipeline)
    return loaded(kinds[0], tiny_lcm), loaded(kinds[1], tiny_lcm)


def levels(pipe: Any, **settings: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = pipe(generator=torch.Generator().manual_seed(5), **settings).images
    return np.stack([np.asarray(image) for image in images]).astype(int)


@pytest.mark.parametrize("guidance", [8.5, 1.0, 0.0])
@pytest.mark.parametrize("steps", [1, 4])
def test_pictures(pair: Any, guidance: float, steps: int) -> None:
    ours, theirs = (
        levels(
            pipe,
            prompt=PROMPTS,
            num_inference_steps=steps,
            guidance_scale=guidance,
            num_images_per_prompt=2,
        )
        for pipe in pair
    )
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


def test_guidance_acts_and_needs_one_call(pair: Any) -> None:
    pipe, rows = pair[0], list[int]()
    hook = pipe.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    pictures = [
        levels(pipe, prompt="a cat", num_inference_steps=4, guidance_scale=g) for g in (2, 8)
    ]
    hook.remove()
    assert rows == [1] * 8
    assert np.abs(pictures[0] - pictures[1]).max() > 5


def test_requests_of_different_guidance_share_calls(pair: Any) -> None:
    pipe, rows = pair[0], list[int]()
    requests = [
        kakusan.Request.of("a cat", seed=1, num_inference_steps=4, guidance_scale=2.0),
        kakusan.Request.of("a dog", seed=2, num_inference_steps=3, guidance_scale=9.0),
        kakusan.Request.of("a dog", seed=2, num_inference_steps=2, reuse_interval=2),
    ]
    hook = pipe.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    found = dict(draw_together(pipe, requests))
    hook.remove()
    assert rows[0] == 3
    for number, request in enumerate(requests):
        (alone,) = pipe.pictures(request)
        together, single = (np.asarray(each.image).astype(int) for each in (found[number], alone))
        assert np.abs(together - single).max() <= 1


def test_callbacks_see_what_the_reference_shows(tiny_lcm: Path) -> None:
    of = "LatentConsistencyModelPipeline"
    pipes = [loaded(getattr(each, of), tiny_lcm) for each in (kakusan, diffusers)]
    names = [*pipes[1]._callback_tensor_inputs]
    seen: list[dict[str, Any]] = []

    def look(_pipe: Any, index: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        seen.append({name: each.clone() for name, each in tensors.items()})
        return {"denoised": tensors["denoised"] * 0.3} if index == 3 else tensors

    watched = {"callback_on_step_end": look, "callback_on_step_end_tensor_inputs": names}
    ours, theirs = (
        levels(pipe, prompt="a cat", num_images_per_prompt=2, num_inference_steps=4, **watched)
        for pipe in pipes
    )
    assert np.abs(ours - theirs).max() <= 1
    for mine, yours in zip(seen[:4], seen[4:], strict=True):
        for name in names:
            assert mine[name].shape == yours[name].shape, name
            assert torch.allclose(mine[name], yours[name], atol=2e-3), name


@pytest.mark.parametrize("name", ["denoised", "w_embedding"])
def test_what_a_change_would_do_nothing_to_is_refused(tiny_lcm: Path, name: str) -> None:
    pipe = loaded(kakusan.LatentConsistencyModelPipeline, tiny_lcm)
    with pytest.raises(RequestError, match=f"{name} of callback_on_step_end"):
        pipe(
            "a cat",
            num_inference_steps=2,
            callback_on_step_end=lambda _p, _i, _t, k: {name: k[name] * 2},
            callback_on_step_end_tensor_inputs=[name],
        )


def test_a_callback_changes_guidance(pair: Any) -> None:
    pictures: list[np.ndarray] = []
    settings: dict[str, Any] = {"num_inference_steps": 3, "guidance_scale": 7.5}
    for pipe in pair:

        def change(pipe: Any, index: int, _t: Any, tensors: Any) -> Any:
            assert not pipe.do_classifier_free_guidance
            return tensors

        def halve(pipe: Any, index: int, _t: Any, tensors: Any) -> Any:
            tensors["latents"] = tensors["latents"] * 0.5
            return tensors

        pictures += [
            levels(pipe, prompt="a cat", callback_on_step_end=function, **settings)
            for function in (change, halve)
        ]
    assert np.abs(pictures[0] - pictures[2]).max() <= 1
    assert np.abs(pictures[1] - pictures[3]).max() <= 1


@pytest.fixture(scope="module")
def consistent(tiny_lcm: Path) -> tuple[Any, Any]:
    kinds = (kakusan.LatentConsistencyModelPipeline, diffusers.LatentConsistencyModelPipeline)
    return loaded(kinds[0], tiny_lcm), loaded(kinds[1], tiny_lcm)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"num_inference_steps": 2, "guidance_scale": 3.0, "num_images_per_prompt": 2},
        {"original_inference_steps": 100, "num_inference_steps": 6},
        {"timesteps": [999, 499], "num_inference_steps": None},
        {"num_inference_steps": 8, "height": 72, "width": 96},
    ],
    ids=str,
)
def test_its_own_pipeline(consistent: Any, settings: dict[str, Any]) -> None:
    ours, theirs = (levels(pipe, prompt=PROMPTS, **settings) for pipe in consistent)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


def test_arguments_in_the_references_order(consistent: Any) -> None:
    pictures = [
        np.asarray(pipe("a cat", 64, 72, 4, 100, None, 3.0, 1, seed).images[0]).astype(int)
        for pipe, seed in zip(consistent, map(generator, (3, 3)), strict=True)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_timesteps_of_the_distillation_are_recorded(consistent: Any) -> None:
    pipe = consistent[0]
    drawn = pipe("a cat", num_inference_steps=6, original_inference_steps=100, seed=3)
    assert drawn.records[0]["scheduler"]["original_inference_steps"] == 100
    assert pipe.scheduler.config.original_inference_steps == 50
    again = kakusan.reproduce(drawn.records[0], trust_model=True, progress=False)
    assert np.array_equal(np.asarray(again.image), np.asarray(drawn.images[0]))
    with pytest.raises(kakusan.InputError, match="is more than the"):
        pipe("a cat", num_inference_steps=60)
    with pytest.raises(kakusan.InputError, match="has no argument 'sigmas'"):
        pipe("a cat", sigmas=[1.0, 0.0])


def test_a_folder_is_loaded_as_what_its_index_says(tiny_lcm: Path, tmp_path: Path) -> None:
    pipe = kakusan.DiffusionPipeline.from_pretrained(tiny_lcm)
    assert type(pipe) is kakusan.LatentConsistencyModelPipeline
    assert isinstance(pipe, kakusan.StableDiffusionPipeline)
    pipe.save_pretrained(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = diffusers.DiffusionPipeline.from_pretrained(tmp_path)
    assert type(again) is diffusers.LatentConsistencyModelPipeline
    plain = kakusan.StableDiffusionPipeline.from_pretrained(tiny_lcm)
    assert type(plain) is kakusan.StableDiffusionPipeline


def test_the_embedding_as_a_method(consistent: Any) -> None:
    scales = torch.tensor([7.5, 0.0])
    found, expected = (pipe.get_guidance_scale_embedding(scales, 24) for pipe in consistent)
    assert (found - expected).abs().max() < 1e-6
