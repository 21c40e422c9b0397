"""A request is checked once, wholly, before any work."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from kakusan.errors import InputError, RequestError, UnknownArgumentError
from kakusan.request import Request

BAD = [
    {"height": 0},
    {"height": -8},
    {"height": 513},
    {"width": 10**9},
    {"width": 64.0},
    {"width": "64"},
    {"height": True},
    {"num_inference_steps": 0},
    {"num_inference_steps": -1},
    {"num_inference_steps": 10**9},
    {"num_inference_steps": 10**5000},
    {"num_inference_steps": 2.5},
    {"guidance_scale": math.nan},
    {"guidance_scale": math.inf},
    {"guidance_scale": "7"},
    {"guidance_rescale": 1.5},
    {"eta": -0.1},
    {"seed": -1},
    {"seed": 2**64},
    {"seed": 2**64},
    {"seed": 1.0},
    {"seed": "7"},
    {"seed": True},
    {"num_images_per_prompt": 0},
    {"num_images_per_prompt": 10**6},
    {"clip_skip": -1},
    {"quality_budget": -0.5},
    {"quality_budget": math.inf},
    {"quality_budget": "35"},
    {"reuse_interval": 0},
    {"reuse_interval": 1.5},
    {"reuse_interval": 10**6},
    {"prompt": ()},
    {"prompt": 7},
    {"prompt": ["a", 7]},
    {"prompt": ["a", "b"], "negative_prompt": ["x", "y", "z"]},
    {"negative_prompt": []},
    {"timesteps": [1, 2, 3]},
    {"timesteps": []},
    {"timesteps": "981"},
    {"timesteps": [981, 1], "sigmas": [14.0, 0.0]},
    {"model": 7},
    {"dtype": ["float16"]},
    {"safety_checker": "no"},
    {"scheduler": 5},
    {"scheduler": {"beta_start": 0.1}},
    {"quality_budget": 35, "num_inference_steps": 4},
    {"quality_budget": 35, "timesteps": [981, 1]},
    {"quality_budget": 35, "scheduler": "euler"},
    {"quality_budget": 35, "reuse_interval": 2},
    {"quality_budget": 35, "eta": 0.5},
]


@pytest.mark.parametrize("bad", BAD, ids=[f"{i}-{next(iter(b))}" for i, b in enumerate(BAD)])
def test_a_bad_value_is_one_line_that_names_it(bad: dict[str, object]) -> None:
    arguments = {"prompt": "a cat", **bad}
    with pytest.raises(RequestError) as caught:
        Request.of(**arguments)  # pyright: ignore
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 250
    assert any(name.split("_")[0] in message for name in bad)


def test_every_request_error_is_a_value_error() -> None:
    assert issubclass(RequestError, ValueError)
    assert issubclass(UnknownArgumentError, TypeError)
    assert issubclass(InputError, ValueError)


def test_a_misspelt_argument_names_the_nearest() -> None:
    with pytest.raises(UnknownArgumentError, match=r"guidence_scale.*guidance_scale"):
        Request.of("a cat", guidence_scale=3)


def test_size_error_names_the_nearest_allowed_sizes() -> None:
    with pytest.raises(RequestError, match="512 and 520"):
        Request.of("a cat", height=515)


def test_one_negative_prompt_serves_all_prompts() -> None:
    request = Request.of(["a", "b"], negative_prompt="x")
    assert request.negative_prompt == ("x", "x")


def test_numpy_integers_are_integers() -> None:
    assert Request.of("a", seed=np.int64(7), height=np.int32(64)).seed == 7


def test_picture_i_has_seed_plus_i_and_its_own_prompt() -> None:
    request = Request.of(["a", "b"], num_images_per_prompt=2, seed=2**64 - 1)
    third = request.picture(2)
    assert (third.prompt, third.seed, third.num_pictures) == (("b",), 1, 1)


def test_a_record_is_json_and_reads_back_equal() -> None:
    request = Request.of(
        "猫 \ud800 \x00 🐈",
        negative_prompt="犬",
        seed=7,
        sigmas=[14.0, 1.0, 0.0],
        scheduler={"_class_name": "EulerDiscreteScheduler"},
        quality_budget=35,
        reuse_interval=2,
        model="a/b",
        dtype="float16",
    )
    record = json.loads(json.dumps(request.to_record()))
    assert Request.from_record(record) == request
    assert request.num_inference_steps == 2


def test_a_request_for_several_pictures_reads_back_equal() -> None:
    request = Request.of(["a", "b"], num_images_per_prompt=3, height=64, scheduler="euler-a")
    assert Request.from_record(json.loads(json.dumps(request.to_record()))) == request


def test_what_a_record_leaves_open_is_the_models_own() -> None:
    request = Request.from_record({"prompt": "a", "eta": None, "guidance_scale": None, "x": 1})
    assert request == Request(prompt=("a",))
    assert (request.num_inference_steps, request.guidance_scale) == (None, None)


def test_a_request_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Request.of("a").seed = 3  # pyright: ignore


def test_checking_a_request_needs_no_torch() -> None:
    code = "import sys, kakusan; kakusan.Request.of('a'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_a_text_that_no_encoder_has_room_for(name: str) -> None:
    longest = {"prompt": ("",), name: ("x" * 100_000,)}
    assert Request(**longest)  # pyright: ignore
    with pytest.raises(RequestError, match=f"{name} has 100001 characters; at most 100000"):
        Request(**{"prompt": ("",), name: ("x" * 100_001,)})  # pyright: ignore
