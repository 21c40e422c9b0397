"""The modules that know nothing of the page, in the browser: edits, axes, stretches of text."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

Call = Callable[..., Any]


@pytest.fixture(scope="module")
def call(browser: Browser, fake: str) -> Iterator[Call]:
    """Calls a function of a module."""
    page: Page = browser.new_page()
    page.goto(fake)
    folder = page.get_attribute("script[type=module]", "src").rpartition("/")[0]

    def called(module: str, name: str, *given: Any) -> Any:
        return page.evaluate(
            "async ([module, name, given]) => (await import(module))[name](...given)",
            [f"{folder}/{module}.js", name, list(given)],
        )

    yield called
    page.close()


def edited(text: str, edit: dict[str, Any] | None) -> str:
    if edit is None:
        return text
    return text[: edit["from"]] + edit["insert"] + text[edit["to"] :]


@pytest.mark.parametrize(
    ("text", "at", "by", "after"),
    [
        ("a red apple", (3, 3), 0.1, "a (red:1.1) apple"),
        ("a red apple", (2, 11), 0.1, "a (red apple:1.1)"),
        ("a (red:1.1) apple", (4, 4), 0.1, "a (red:1.2) apple"),
        ("a (red:1.1) apple", (4, 4), -0.1, "a red apple"),
        ("a (red one:1.1) apple", (5, 5), -0.2, "a (red one:0.9) apple"),
        ("a ((red)) apple", (5, 5), 0.1, "a (red:1.3) apple"),
        ("a [red] apple", (4, 4), -0.1, "a (red:0.8) apple"),
        ("<lora:style:0.8> cat", (9, 9), 0.1, "<lora:style:0.85> cat"),
        ("猫、犬", (1, 1), 0.1, "(猫:1.1)、犬"),
        ("   ", (1, 1), 0.1, "   "),
        ("", (0, 0), 0.1, ""),
    ],
)
def test_weights(call: Call, text: str, at: tuple[int, int], by: float, after: str) -> None:
    assert edited(text, call("editing", "weigh", text, *at, by)) == after


@pytest.mark.parametrize(
    ("text", "at", "by", "after"),
    [
        ("one, two, three", 6, -1, "two, one, three"),
        ("one, two, three", 6, 1, "one, three, two"),
        ("one, two", 1, -1, "one, two"),
        ("one, (two, and:1.2), three", 8, 1, "one, three, (two, and:1.2)"),
    ],
)
def test_what_stands_between_commas_moves(
    call: Call, text: str, at: int, by: int, after: str
) -> None:
    assert edited(text, call("editing", "moved", text, at, by)) == after


@pytest.mark.parametrize(
    ("kind", "text", "values"),
    [
        ("steps", "10, 20,40", [10, 20, 40]),
        ("steps", "10-50 (+20)", [10, 30, 50]),
        ("steps", "1-3", [1, 2, 3]),
        ("guidance", "1-2 [3]", [1, 1.5, 2]),
        ("scheduler", "Euler a, DDIM", ["Euler a", "DDIM"]),
        ("prompt", 'cat, "dog, old"', [["cat", "cat"], ["cat", "dog, old"]]),
        ("none", "", [None]),
    ],
)
def test_axes(call: Call, kind: str, text: str, values: list[Any]) -> None:
    assert call("axes", "axis", kind, text, "a cat")["values"] == values


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("steps", ""),
        ("steps", "ten"),
        ("steps", "1.5"),
        ("steps", "9-1"),
        ("steps", "1-1000000"),
        ("prompt", "dog, cat"),
    ],
)
def test_axes_that_cannot_be(call: Call, kind: str, text: str) -> None:
    assert call("axes", "axis", kind, text, "a horse")["problem"]["key"].startswith("axis.")


def test_cells_replace_the_words_of_the_prompt(call: Call) -> None:
    across = {"kind": "steps", **call("axes", "axis", "steps", "1, 2", "a cat")}
    down = {"kind": "prompt", **call("axes", "axis", "prompt", "cat, dog", "a cat")}
    found = call("axes", "cells", {"prompt": "a cat", "seed": 5}, across, down)
    assert [each["asked"]["prompt"] for each in found] == ["a cat", "a cat", "a dog", "a dog"]
    assert [each["asked"]["num_inference_steps"] for each in found] == [1, 2, 1, 2]


def test_weights_are_found_in_what_was_typed(call: Call) -> None:
    text = r"a (red:1.3) \(big\) [apple]"
    segments = [["a ", 1], ["red", 1.3], [" (big) ", 1], ["apple", 0.9]]
    spans = call("align", "weighed", text, segments)
    assert [text[each["from"] : each["to"]] for each in spans] == ["red", "apple"]


def test_words_are_marked_where_they_stand_alone(call: Call) -> None:
    text = "zyx, xzyx 椅子と机"
    spans = call("align", "strangers", text, ["zyx", "机"])
    assert [text[each["from"] : each["to"]] for each in spans] == ["zyx", "机"]


def test_chunks_and_what_is_cut(call: Call) -> None:
    chunks = [[{"text": "one"}, {"text": "two"}], [{"text": "three"}]]
    spans = call("align", "divided", "One two three four", chunks, [{"text": "four"}])
    assert [(each["from"], each.get("chunk"), each.get("cut")) for each in spans] == [
        (8, True, None),
        (14, None, True),
    ]


def test_marks_move_along_with_edits(call: Call) -> None:
    spans = [{"from": 2, "to": 5, "weight": 1.3}, {"from": 6, "to": 9, "strange": True}]
    moved = call("align", "shifted", spans, "a red zyx", "a big red zyx")
    assert [(each["from"], each["to"]) for each in moved] == [(6, 9), (10, 13)]


def test_a_link_of_a_stranger_sets_only_what_a_form_has(call: Call) -> None:
    said = {"prompt": 5, "steps": {}, "width": 64, "evil": 1, "loras": [{"name": 3}], "locked": 1}
    assert call("store", "known", said) == {"width": 64}
