"""Messages: one line, of bounded length, whatever is told in them."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from kakusan.errors import (
    ArgumentError,
    CheckpointError,
    GenerationInterrupted,
    InputError,
    KakusanError,
    UnknownArgumentError,
    nearest,
    reason,
    shown,
    shown_path,
)


def deep(depth: int) -> object:
    value: object = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "x" * 10**6,
        "a\nb\u2028\x1b[31m\ud800",
        10**5000,
        deep(100_000),
        np.zeros((9, 9)),
        {"a": "\n" * 1000},
        [list(range(1000))],
        object(),
        None,
    ],
    ids=range(9),
)
def test_a_value_is_shown_on_one_line_of_60_characters(value: object) -> None:
    text = shown(value)
    assert 0 < len(text) <= 60
    assert text.isprintable()
    assert shown("cat") == "'cat'"
    error = ArgumentError("{seed} is {0!r}, not {0!r}", value)
    assert len(str(error)) <= 160
    assert str(error).isprintable()


@pytest.mark.parametrize("kind", [KakusanError, InputError, CheckpointError, UnknownArgumentError])
def test_a_message_is_one_line_and_no_longer_than_1000_characters(kind: type[Exception]) -> None:
    error = kind("first\nsecond\x1b " + "x" * 10**6)
    assert str(error).startswith("first second\\x1b xxx")
    assert len(str(error)) == 1000
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert str(GenerationInterrupted()) == "interrupted after 0 finished picture(s)"


def test_a_path_keeps_its_end() -> None:
    assert shown_path(Path("a/b.png")) == "'a/b.png'"
    assert shown_path("a\nb") == "'a\\nb'"
    long = shown_path("x" * 5000 + "/cat.png")
    assert len(long) == 160
    assert long.endswith("/cat.png'")


def test_another_librarys_error_is_cut_to_a_line() -> None:
    assert reason(ValueError("a\n  b")) == "a b"
    assert reason(ValueError()) == "ValueError"
    assert len(reason(ValueError("x" * 10**6))) == 120


def test_a_list_of_names_is_bounded() -> None:
    names = [f"model-{i}" for i in range(5000)]
    assert len(nearest("model-7" * 10**5, names)) < 600
    assert nearest("model-7", names).endswith(" more.")
    assert nearest("cut", ["cat", "dog"]) == " Did you mean 'cat'? Known: cat, dog."


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("steps", "num_inference_steps"),
        ("stepz", "num_inference_steps"),
        ("guidance", "guidance_scale"),
        ("promt", "prompt"),
        ("hight", "height"),
    ],
)
def test_the_nearest_name_may_be_near_by_one_of_its_words(name: str, first: str) -> None:
    known = ("prompt", "timesteps", "height", "guidance_rescale", "guidance_scale")
    assert nearest(name, (*known, "num_inference_steps")).startswith(f" Did you mean {first!r}")
