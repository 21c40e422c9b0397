"""One table translates between what users call the settings of a request."""

import ast
import dataclasses
import inspect
import pickle
from pathlib import Path
from typing import Any

import pytest

import kakusan
from kakusan.errors import ArgumentError, UnknownArgumentError
from kakusan.request import Request
from kakusan.vocabulary import COMMAND_LINE, REFERENCE, SHORT, Vocabulary

FIELDS = {field.name for field in dataclasses.fields(Request)}


def parameters(function: Any) -> set[str]:
    found = inspect.signature(function).parameters.values()
    return {p.name for p in found if p.kind is not p.VAR_KEYWORD} - {"self"}


@pytest.mark.parametrize(
    ("vocabulary", "function"),
    [(REFERENCE, kakusan.StableDiffusionPipeline.__call__), (SHORT, kakusan.generate)],
)
def test_the_words_are_the_arguments(vocabulary: Vocabulary, function: Any) -> None:
    assert set(vocabulary.words.values()) == parameters(function)


def test_what_is_translated_is_a_request() -> None:
    beside = {"like", "on_picture", "progress", "lora_dirs", "wildcards"}
    beside |= {"ip_adapter", "ip_adapter_scale", "image_encoder"}
    assert set(SHORT.words) - beside <= FIELDS
    assert set(COMMAND_LINE.words) - beside <= FIELDS


def test_the_command_line_has_these_options() -> None:
    folder = Path(inspect.getsourcefile(kakusan) or "").parent / "cli"
    nodes = [
        node
        for name in ("generate", "img2img", "inpaint")
        for node in ast.walk(ast.parse((folder / f"{name}.py").read_text()))
    ]
    strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
    arguments = {
        argument.arg
        for node in nodes
        if isinstance(node, ast.FunctionDef)
        and node.name in ("generate", "img2img", "inpaint", "outpaint")
        for argument in node.args.args
    }
    for word in COMMAND_LINE.words.values():
        assert word in strings or word.removeprefix("--").replace("-", "_") in arguments


def test_an_error_names_the_argument_as_it_was_typed() -> None:
    with pytest.raises(ArgumentError, match="num_inference_steps must be"):
        Request.of("a", num_inference_steps=0)
    with pytest.raises(ArgumentError, match=r"^steps must be"), SHORT.spoken():
        Request.of("a", num_inference_steps=0)
    with (
        pytest.raises(ArgumentError, match=r"^--steps must be"),
        COMMAND_LINE.spoken(),
        SHORT.spoken(),
    ):
        Request.of("a", num_inference_steps=0)


@pytest.mark.parametrize("value", ["{height}", "{0}", "{", "{{x}}", "%s", "seed"])
def test_a_value_is_said_as_it_is(value: str) -> None:
    with pytest.raises(ArgumentError) as caught, SHORT.spoken():
        Request.of("a", height=value)
    assert repr(value) in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_settings_come_under_a_requests_names() -> None:
    assert SHORT.settings({"steps": 3, "guidance": 2.0}) == {
        "num_inference_steps": 3,
        "guidance_scale": 2.0,
    }
    with pytest.raises(UnknownArgumentError, match=r"'guidence'.*'guidance'"):
        SHORT.settings({"guidence": 3})


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: kakusan.generate("a", steps=0), "steps"),
        (lambda: kakusan.generate("a", count=0), "count"),
        (lambda: kakusan.generate("a", guidance=-1.0), "guidance"),
        (lambda: kakusan.generate("a", seed=-1), "seed"),
        (lambda: kakusan.generate(["a", "b"], negative_prompt=["x"] * 3), "negative_prompt"),
    ],
)
def test_the_short_call_speaks_its_own_words(call: Any, word: str) -> None:
    with pytest.raises(ArgumentError, match=rf"^{word} "):
        call()
