"""Latent consistency models that begin at pictures: whole pictures beside the reference's."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest

import kakusan
from kakusan.errors import RequestError
from tests.pipeline.test_lcm import levels, loaded
from tests.steering.test_controlnet import picture

NAME = "LatentConsistencyModelImg2ImgPipeline"


@pytest.fixture(scope="module")
def pair(tiny_lcm: Path) -> tuple[Any, Any]:
    ours, theirs = (loaded(getattr(of, NAME), tiny_lcm) for of in (kakusan, diffusers))
    return ours, theirs


SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"strength": 1.0},
    {"strength": 0.3, "num_inference_steps": 2},
    {"original_inference_steps": 25, "strength": 0.5},
    {"timesteps": [759, 499, 259], "strength": 0.7},
    {"num_images_per_prompt": 2, "guidance_scale": 1.0},
)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_pictures(pair: Any, settings: dict[str, Any]) -> None:
    ours, theirs = (levels(each, prompt="a cat", image=picture(1), **settings) for each in pair)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1


def test_the_folders_own_steps_are_taken(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {"prompt": "a cat", "image": picture(1), "original_inference_steps": 50}
    wanted = levels(pair[0], num_inference_steps=3, **given)
    monkeypatch.setattr(pair[0], "defaults", {"num_inference_steps": 2, "img2img_steps": 3})
    assert np.array_equal(levels(pair[0], **given), wanted)


def test_auto_pipelines_keep_the_kind(pair: Any, tiny_lcm: Path, tmp_path: Path) -> None:
    auto, text = kakusan.AutoPipelineForImage2Image, kakusan.AutoPipelineForText2Image
    pipe = auto.from_pretrained(tiny_lcm)
    assert type(pipe) is type(pair[0])
    assert type(text.from_pipe(pipe)) is kakusan.LatentConsistencyModelPipeline
    assert type(auto.from_pipe(text.from_pipe(pipe))) is type(pipe)
    painted = kakusan.AutoPipelineForInpainting.from_pipe(pipe)
    assert type(painted) is kakusan.StableDiffusionInpaintPipeline
    pipe.save_pretrained(tmp_path)
    assert type(kakusan.DiffusionPipeline.from_pretrained(tmp_path)) is type(pipe)


def test_what_cannot_be_is_told(pair: Any, tiny_v1: Path) -> None:
    pipe = pair[0]
    with pytest.raises(RequestError, match="strength is 0"):
        pipe("a cat", picture(1), strength=0)
    with pytest.raises(RequestError, match="image is missing"):
        pipe("a cat")
    with pytest.raises(RequestError, match="no argument 'strenght'"):
        pipe("a cat", picture(1), strenght=0.5)
    other = loaded(kakusan.LatentConsistencyModelImg2ImgPipeline, tiny_v1)
    with pytest.raises(RequestError, match="draws with LCMScheduler or TCDScheduler, and this one"):
        other("a cat", picture(1))
