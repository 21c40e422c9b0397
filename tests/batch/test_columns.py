"""Columns are fields of a request by whatever people call them; others are carried along."""

from dataclasses import fields

import pytest

from kakusan.batch.cells import KINDS, plain, value_of
from kakusan.batch.columns import SYNONYMS, Columns
from kakusan.errors import InputError, RequestError
from kakusan.request import Request


def columns(*names: str, strict: bool = False) -> Columns:
    return Columns.of(dict.fromkeys(names, "text"), strict=strict)


def test_every_field_of_a_request_is_a_column() -> None:
    assert KINDS.keys() == {field.name for field in fields(Request)}
    assert set(SYNONYMS.values()) <= {*KINDS, "id"}
    assert not SYNONYMS.keys() & KINDS.keys()
    whole = {name for name, kind in KINDS.items() if kind == "whole"}
    assert {"seed", "width", "num_inference_steps", "num_images_per_prompt", "ensd"} <= whole
    assert KINDS["safety_checker"] == KINDS["soft_mask"] == "truth"
    assert KINDS["guidance_scale"] == KINDS["guidance_rescale"] == "number"
    assert {KINDS[name] for name in ("loras", "controls", "sigmas", "scheduler")} == {"json"}


@pytest.mark.parametrize("name", ["prompt", "caption", "text", "Prompt", " TEXT "])
def test_a_prompt_by_each_name(name: str) -> None:
    assert columns(name).fields == {name: "prompt"}


def test_what_is_done_with_each_column_is_told() -> None:
    found = columns("Caption", "Negative Prompt", "CFG scale", "sampler", "n", "key", "status", "a")
    assert found.fields == {
        "Caption": "prompt",
        "Negative Prompt": "negative_prompt",
        "CFG scale": "guidance_scale",
        "sampler": "scheduler",
        "n": "num_images_per_prompt",
        "key": "id",
    }
    assert found.told() == (
        "columns: Caption is prompt, Negative Prompt is negative_prompt, "
        "CFG scale is guidance_scale, sampler is scheduler, n is num_images_per_prompt, "
        "key is id; carried along: status as input_status, a"
    )


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("prompt", "text"), "'prompt' and 'text' are both prompt"),
        (("prompt", "steps", "num_inference_steps"), "are both num_inference_steps"),
        (("prompt", "id", "key"), "are both id"),
        (("url", "label"), "no column is called prompt, caption or text; the table has label, url"),
    ],
)
def test_two_for_one_and_none_for_the_prompt_are_refused(
    names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InputError, match=words):
        columns(*names)


def test_strict_refuses_what_is_not_known() -> None:
    with pytest.raises(InputError, match=r"'stps' is not known.*Did you mean 'steps'"):
        columns("prompt", "stps", strict=True)
    assert columns("prompt", "steps", strict=True).carried == {}


def test_columns_that_would_mean_something_else_get_other_names() -> None:
    found = columns("prompt", "input_file", "file", "mask_file_name", "file_name", "file_names")
    assert found.carried == {
        "input_file": "input_file",
        "file": "input_input_file",
        "mask_file_name": "mask_filename",
        "file_name": "filename",
        "file_names": "filenames",
    }


def test_bytes_are_left_out_or_refused() -> None:
    found = Columns.of({"prompt": "text", "jpg": "bytes"})
    assert (found.carried, found.left) == ({}, ("jpg",))
    assert found.told().endswith("left out, for they hold bytes: jpg")
    with pytest.raises(InputError, match="'image' holds bytes"):
        Columns.of({"prompt": "text", "image": "bytes"})


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        ("prompt", "", None),
        ("prompt", None, None),
        ("prompt", "nan", "nan"),
        ("prompt", " a ", " a "),
        ("num_inference_steps", " 20 ", 20),
        ("num_inference_steps", "20.0", 20),
        ("num_inference_steps", 20.0, 20),
        ("num_inference_steps", 20.5, 20.5),
        ("seed", "18446744073709551615", 2**64 - 1),
        ("seed", "-1", None),
        ("variation_seed", -1.0, None),
        ("guidance_scale", "7.5", 7.5),
        ("guidance_scale", 7, 7.0),
        ("guidance_scale", "1e1", 10.0),
        ("soft_mask", "TRUE", True),
        ("safety_checker", "0", False),
        ("scheduler", "dpmpp-2m", "dpmpp-2m"),
        ("scheduler", '{"name": "ddim"}', {"name": "ddim"}),
        ("loras", "a.safetensors:0.8", "a.safetensors:0.8"),
        ("loras", '[{"name": "a", "text_weight": null}]', [{"name": "a"}]),
        ("sigmas", "[2, 1.5, 0]", [2, 1.5, 0]),
        ("second_pass", "2", 2.0),
        ("second_pass", {"scale": 2, "steps": None}, {"scale": 2}),
        ("pad_conds", "true", True),
        ("pad_conds", "v0", "v0"),
    ],
)
def test_cells(field: str, cell: object, value: object) -> None:
    found = value_of(field, cell, field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("field", "cell", "words"),
    [
        ("num_inference_steps", "many", "steps must be a whole number, not 'many'"),
        ("guidance_scale", "7,5", "steps must be a number, not '7,5'"),
        ("soft_mask", "perhaps", "steps must be true or false"),
        ("prompt", 5, "steps must be a text, not 5"),
        ("controls", "[1", "steps is no JSON"),
    ],
)
def test_cells_of_another_kind(field: str, cell: object, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        value_of(field, cell, "steps")


def test_what_is_carried_is_plain_json() -> None:
    assert plain({"a": [float("nan"), 1.5, None, True, b"x", {2: "é"}]}) == {
        "a": [None, 1.5, None, True, None, {"2": "é"}]
    }
