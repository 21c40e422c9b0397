"""`kakusan.generate` beside the command line: the same settings, and what they are called."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import kakusan
from kakusan.cli.prompt_options import layers_skipped
from kakusan.errors import ArgumentError
from kakusan.images.parameters import parameters_text
from kakusan.vocabulary import COMMAND_LINE, SHORT

QUICK: dict[str, Any] = {"seed": 3, "steps": 2, "progress": False, "dtype": "float32"}


def test_what_the_command_line_can_say_the_call_can() -> None:
    assert set(COMMAND_LINE.words) <= set(SHORT.words)


def test_clip_skip_counts_as_the_reference_does(tiny_v1: Path) -> None:
    record = kakusan.generate("a cat", model=tiny_v1, clip_skip=1, **QUICK)[0].record
    assert record["clip_skip"] == layers_skipped(2) == 1
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    drawn = [
        pipe("a cat", clip_skip=skip, seed=3, num_inference_steps=2, output_type="np").images
        for skip in (1, None)
    ]
    (again,) = kakusan.generate("a cat", model=tiny_v1, clip_skip=1, **QUICK)
    assert np.array_equal(np.asarray(again.image), (drawn[0][0] * 255).round().astype(np.uint8))
    assert not np.array_equal(drawn[0], drawn[1])
    assert "Clip skip: 2" in parameters_text(record)


def test_a_clip_skip_that_leaves_nothing_is_one_line(tiny_v1: Path) -> None:
    with pytest.raises(ArgumentError, match=r"^clip_skip leaves out 60 layers"):
        kakusan.generate("a cat", model=tiny_v1, clip_skip=60, **QUICK)


def test_a_variation_has_a_seed_of_its_own() -> None:
    record = kakusan.generate("a cat", variation_strength=0.2, **QUICK)[0].record
    assert isinstance(record["variation_seed"], int)
    assert record["seed"] == 3
