"""Whole pictures as distilled models are drawn with, beside the reference's."""

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan.request import Request
from tests.oracle import tiny

TRAILING = {"timestep_spacing": "trailing"}
# What their authors say: scheduler, its settings, and the call
WAYS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "Turbo in one step": ("EulerAncestralDiscreteScheduler", TRAILING, {"num_inference_steps": 1}),
    "Turbo in four": ("EulerAncestralDiscreteScheduler", TRAILING, {"num_inference_steps": 4}),
    "Lightning": ("EulerDiscreteScheduler", TRAILING, {"num_inference_steps": 4}),
    "Lightning in one step": (
        "EulerDiscreteScheduler",
        TRAILING | {"prediction_type": "sample"},
        {"num_inference_steps": 1},
    ),
    "Hyper-SD": ("DDIMScheduler", TRAILING, {"num_inference_steps": 8}),
    "Hyper-SD with guidance": (
        "DDIMScheduler",
        TRAILING,
        {"num_inference_steps": 4, "guidance_scale": 5.0, "negative_prompt": "red"},
    ),
    "Hyper-SD in one step": ("LCMScheduler", {}, {"timesteps": [800]}),
    "LCM without embedded guidance": ("LCMScheduler", {}, {"num_inference_steps": 4}),
    "TCD": ("TCDScheduler", {}, {"num_inference_steps": 4, "eta": 0.3}),
    "TCD in one step": ("TCDScheduler", {}, {"num_inference_steps": 1, "eta": 1.0}),
}


def both(folder: Path, kind: str) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipes = [getattr(library, kind).from_pretrained(folder) for library in (kakusan, diffusers)]
    for pipe in pipes:
        pipe.set_progress_bar_config(disable=True)
    return pipes[0], pipes[1]


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_xl"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    kind = "StableDiffusionPipeline" if request.param == "tiny_v1" else "StableDiffusionXLPipeline"
    return both(request.getfixturevalue(request.param), kind)


def levels(pipe: Any, **settings: Any) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        images = pipe("a cat", generator=torch.Generator().manual_seed(5), **settings).images
    return np.stack([np.asarray(image) for image in images]).astype(int)


@pytest.mark.parametrize("way", WAYS)
def test_pictures(pair: Any, way: str) -> None:
    name, changes, call = WAYS[way]
    pictures: list[np.ndarray] = []
    for pipe, library in zip(pair, (kakusan, diffusers), strict=True):
        own = pipe.scheduler
        with tiny.quiet():
            pipe.scheduler = getattr(library, name).from_config(own.config, **changes)
        pictures.append(levels(pipe, **{"guidance_scale": 0.0, "num_images_per_prompt": 2, **call}))
        pipe.scheduler = own
    assert pictures[0].shape == pictures[1].shape
    assert np.abs(pictures[0] - pictures[1]).max() <= 1


def test_what_eta_is_where_nobody_says_it(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    for name, eta in (("tcd", 0.3), ("ddim", 0.0), ("euler", 0.0)):
        request = Request.of("a cat", num_inference_steps=2, seed=5, scheduler=name)
        (left_open,) = pipe.pictures(request)
        (said,) = pipe.pictures(replace(request, eta=eta))
        assert left_open.record["eta"] == said.record["eta"] == eta
        assert left_open.image.tobytes() == said.image.tobytes()
        (without,) = pipe.pictures(replace(request, eta=0.0))
        assert without.record["eta"] == 0.0
        assert (without.image.tobytes() == said.image.tobytes()) == (name != "tcd")
    pipe.scheduler = kakusan.TCDScheduler.from_config(pipe.scheduler.config)
    # a call as the reference's has its 0.0
    assert pipe("a cat", num_inference_steps=2, seed=5).records[0]["eta"] == 0.0


def test_sdxl_distilled_under_guidance(tiny_xl: Path) -> None:
    pair = both(tiny_xl, "StableDiffusionXLPipeline")
    theirs = tiny.unet(**tiny.XL_UNET, time_cond_proj_dim=24)
    config = dict(theirs.config)
    ours = kakusan.UNet2DConditionModel.from_config(
        {name: value for name, value in config.items() if not name.startswith("_")}
    )
    ours.load_state_dict(ours.from_published_tensors(theirs.state_dict()))
    pair[0].unet, pair[1].unet = ours.eval(), theirs
    rows: list[int] = []
    ours.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    pictures: list[np.ndarray] = []
    for pipe, library in zip(pair, (kakusan, diffusers), strict=True):
        with tiny.quiet():
            pipe.scheduler = library.LCMScheduler.from_config(pipe.scheduler.config)
        pictures.append(levels(pipe, num_inference_steps=4, guidance_scale=8.0))
    assert rows == [1] * 4
    assert np.abs(pictures[0] - pictures[1]).max() <= 1
