"""A pipeline without weights comes to the same drawing as one that has them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kakusan import DiffusionPipeline, StableDiffusionPipeline
from kakusan.errors import CheckpointError, InputError
from kakusan.inputs import Inputs, given_pictures
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.unfilled import unfilled
from kakusan.request import Request


@pytest.fixture(scope="module")
def shapes() -> LatentDiffusionPipeline:
    return unfilled("builtin")


@pytest.fixture(scope="module")
def whole() -> LatentDiffusionPipeline:
    return StableDiffusionPipeline.from_pretrained("builtin")


def test_its_networks_have_no_weights(shapes: LatentDiffusionPipeline) -> None:
    for network in (shapes.unet, shapes.vae, shapes.text_encoder):
        assert {each.device.type for each in network.parameters()} == {"meta"}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"prompt": "a (red:1.2) [dog:cat:0.5]", "prompt_syntax": "webui"},
        {"scheduler": "dpm++ 2m karras", "num_inference_steps": 4, "width": 64},
        {"second_pass": {"scale": 2}},
        {"quality_budget": 30},
        {"timesteps": [900, 500, 1], "scheduler": "euler"},
        {"image": True, "strength": 0.5},
        {"image": True, "upscale": 4, "width": 64, "height": 64},
        {"freeu": [1.5, 1.6, 0.9, 0.2], "num_images_per_prompt": 3, "clip_skip": 1},
    ],
)
def test_a_request_comes_to_the_same(
    settings: dict[str, Any], shapes: LatentDiffusionPipeline, whole: LatentDiffusionPipeline
) -> None:
    inputs = Inputs()
    if settings.get("image") is not None:
        inputs = Inputs(image=given_pictures("image", [Image.new("RGB", (96, 64), "red")]))
    known = {name: value for name, value in settings.items() if name != "image"}
    request = Request.of(**{"prompt": "a cat", "seed": 1, **known})
    found, expected = (pipe.drawing(request, inputs) for pipe in (shapes, whole))
    assert found.request == expected.request
    assert found.total_steps == expected.total_steps


@pytest.mark.parametrize(
    "settings",
    [
        {"clip_skip": 3},
        {"scheduler": "lcm", "num_inference_steps": 60},
        {"width": 64, "second_pass": {"width": 64, "height": 64}},
        {"timesteps": [900, 1], "scheduler": "unipc"},
        {"denoising_end": 0.5},
    ],
)
def test_it_refuses_the_same(
    settings: dict[str, Any], shapes: LatentDiffusionPipeline, whole: LatentDiffusionPipeline
) -> None:
    request = Request.of(**{"prompt": "a cat", "seed": 1, **settings})
    said = list[str]()
    for pipe in (shapes, whole):
        with pytest.raises(InputError) as refused:
            pipe.drawing(request, Inputs())
        said.append(str(refused.value))
    assert said[0] == said[1]


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        unfilled(tmp_path / "nothing")


@pytest.mark.parametrize("family", ["tiny_v1_published", "tiny_v2", "tiny_xl", "tiny_lcm"])
def test_families_are_checked_alike(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(family)
    shapes, whole = unfilled(folder), DiffusionPipeline.from_pretrained(folder)
    for settings in (
        {},
        {"prompt": "a (b:1.2) AND c", "prompt_syntax": "webui"},
        {"clip_skip": 40},
    ):
        asked, found = Request.of(**{"prompt": "a", "seed": 1, **settings}), list[object]()
        for pipe in (shapes, whole):
            try:
                found.append(replace(pipe.drawing(asked, Inputs()).request, safety_checker=True))
            except InputError as error:
                found.append(str(error))
        assert found[0] == found[1]
        assert isinstance(found[0], str) == ("clip_skip" in settings)


def test_a_refiner_begins_at_pictures(tiny_refiner: Path) -> None:
    given = given_pictures("image", [Image.new("RGB", (64, 64), "red")])
    pipe = unfilled(tiny_refiner, begun=True)
    assert pipe.drawing(Request.of("a", seed=1, strength=0.5), Inputs(image=given)).total_steps > 0
    with pytest.raises(CheckpointError, match="refiner"):
        unfilled(tiny_refiner)
