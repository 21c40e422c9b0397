"""Whole pictures with FreeU beside the reference's."""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch

import kakusan
from kakusan.errors import InputError
from kakusan.pipeline import draw
from kakusan.request import Request
from tests.oracle import tiny
from tests.steering.test_ip_adapter import assert_differ, assert_same

WEIGHTS = {"s1": 0.9, "s2": 0.2, "b1": 1.5, "b2": 1.6}
RECORDED = {"b1": 1.5, "b2": 1.6, "s1": 0.9, "s2": 0.2}
FAMILIES = {
    "tiny_v1": (kakusan.StableDiffusionPipeline, diffusers.StableDiffusionPipeline),
    "tiny_xl": (kakusan.StableDiffusionXLPipeline, diffusers.StableDiffusionXLPipeline),
}


def drawn(pipe: Any) -> Any:
    generator = torch.Generator().manual_seed(3)
    with tiny.quiet():
        return pipe(
            "a cat",
            num_inference_steps=3,
            generator=generator,
            output_type="np",
            height=64,
            width=64,
        ).images


@pytest.mark.parametrize("family", FAMILIES)
def test_pictures_are_the_references(family: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(family)
    with tiny.quiet():
        ours, theirs = (kind.from_pretrained(folder) for kind in FAMILIES[family])
    for pipe in (ours, theirs):
        pipe.set_progress_bar_config(disable=True)
    plain = drawn(ours)
    for pipe in (ours, theirs):
        pipe.enable_freeu(**WEIGHTS)
    found = drawn(ours)
    assert_same(found, drawn(theirs))
    assert_differ(found, plain)
    ours.disable_freeu()
    assert np.array_equal(drawn(ours), plain)


def test_requests_ask_for_it_and_records_tell_it(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    asked = {"seed": 4, "num_inference_steps": 2, "height": 64, "width": 64}
    (plain,) = pipe.pictures("a cat", **asked)
    assert "freeu" not in plain.record
    (picture,) = pipe.pictures("a cat", freeu=(1.5, 1.6, 0.9, 0.2), **asked)
    assert picture.record["freeu"] == RECORDED
    assert not any("no seed" in note for note in picture.record["notes"])
    pipe.enable_freeu(**WEIGHTS)
    (again,) = pipe.pictures("a cat", **asked)
    assert again.record["freeu"] == RECORDED
    assert np.array_equal(again.image, picture.image)
    assert not np.array_equal(again.image, plain.image)
    (made,) = draw(Request.from_record(picture.record), progress=False)
    assert np.array_equal(made.image, picture.image)


def test_weights_of_one_change_nothing(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    plain = drawn(pipe)
    pipe.enable_freeu(1, 1, 1, 1)
    assert np.abs(drawn(pipe) - plain).max() < 1e-4


@pytest.mark.parametrize("given", [(1, 2, 3), "b", {"b1": 1}, (1, 1, 1, float("nan"))])
def test_what_is_wrong_is_one_line(given: Any) -> None:
    with pytest.raises(InputError, match="freeu") as caught:
        Request.of("a cat", freeu=given)
    assert "\n" not in str(caught.value)


def test_a_pipeline_refuses_what_is_no_number(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    with pytest.raises(InputError, match="finite numbers, not s1=nan"):
        pipe.enable_freeu(float("nan"), 1, 1, 1)
