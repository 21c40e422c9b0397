"""Every field that Ollama's own client can send is used, named as ignored, or refused."""

import base64

import pytest
from ollama._types import GenerateRequest, Options

from kakusan.server.dialects.ollama.asking import Wanted, wanted
from kakusan.server.dialects.ollama.failures import Refusal, of_error
from kakusan.server.dialects.ollama.fields import FIELDS, OPTIONS, Use
from kakusan.server.errors import DiskLow, FieldError

BASE = {"model": "builtin", "prompt": "a cat"}
USED = {
    "model": ("builtin:latest", lambda w: w.model == "builtin"),
    "prompt": ("a dog", lambda w: w.settings["prompt"] == "a dog"),
    "width": (64, lambda w: w.settings["width"] == 64),
    "height": (64, lambda w: w.settings["height"] == 64),
    "steps": (3, lambda w: w.settings["num_inference_steps"] == 3),
    "options": ({"seed": 7}, lambda w: w.settings["seed"] == 7),
    "stream": (False, lambda w: not w.stream),
    "images": (
        [base64.b64encode(b"picture").decode()],
        lambda w: w.image == b"picture" and w.settings["strength"] == 0.75,
    ),
}


def read(**sent: object) -> Wanted:
    return wanted({**BASE, **sent})


def test_the_table_names_all_that_the_client_has() -> None:
    assert set(GenerateRequest.model_fields) == set(FIELDS)
    assert set(OPTIONS) <= set(Options.model_fields)


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_each_field_is_what_the_table_says(name: str) -> None:
    if FIELDS[name] is Use.USED:
        value, holds = USED[name]
        found = read(**{name: value})
        assert holds(found)
        assert not found.ignored
    else:
        assert read(**{name: "x"}).ignored == (name,)
    if name not in BASE:
        assert read(**{name: None}) == read()


@pytest.mark.parametrize("name", sorted(set(Options.model_fields) - set(OPTIONS)))
def test_options_of_texts_are_named(name: str) -> None:
    assert read(options={name: 1, "seed": 3}).ignored == (f"options.{name}",)


def test_unknown_fields_are_named() -> None:
    assert read(other=1).ignored == ("other",)


def test_a_seed_below_zero_is_a_random_one() -> None:
    assert read(options={"seed": -1}) == read()


def test_zero_is_no_wish_for_a_size() -> None:
    assert read(width=0, height=0, steps=0) == read()


def test_no_prompt_is_nothing_to_draw() -> None:
    assert wanted({"model": "builtin"}).settings is None
    assert wanted({"model": "builtin", "prompt": ""}).settings is None


@pytest.mark.parametrize(
    "sent",
    [
        {"model": None},
        {"model": ""},
        {"model": 3},
        {"prompt": 3},
        {"prompt": "x" * 32_001},
        {"prompt": "", "images": ["AAAA"]},
        {"stream": "yes"},
        {"options": [1]},
        {"images": ["AAAA", "AAAA"]},
        {"images": [3]},
        {"images": "no base64"},
        {"images": ["é"]},
    ],
)
def test_what_cannot_be_used_is_refused_by_name(sent: dict[str, object]) -> None:
    with pytest.raises(Refusal) as refused:
        wanted({**BASE, **sent})
    assert refused.value.status == 400
    assert refused.value.body["error"].partition(" ")[0] in FIELDS


def test_what_may_succeed_later_says_when() -> None:
    later = of_error(DiskLow("the disk is full"))
    assert (later.status, later.headers) == (507, {"Retry-After": "30"})
    assert of_error(FieldError("width", "width is odd")).headers == {}
