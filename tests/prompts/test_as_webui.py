"""Prompts of other syntaxes say the same in AUTOMATIC1111's."""

import random

import pytest

from kakusan.prompts import parse
from kakusan.prompts.as_webui import as_webui
from kakusan.prompts.comfy import comfy_weights
from kakusan.prompts.parsed import Segment


def read(text: str) -> list[tuple[str, float]]:
    """What AUTOMATIC1111 reads, at the first call."""
    (part,) = parse(text, "webui", 20).parts
    assert part.weight == 1
    assert len(part.schedule) == 1
    return [(each.text, round(each.weight, 6)) for each in part.schedule[0].segments]


def merged(segments: list[Segment]) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for text, weight in segments:
        weight = round(weight, 6)
        if text and found and found[-1][1] == weight:
            found[-1] = (found[-1][0] + text, weight)
        elif text:
            found.append((text, weight))
    return found or [("", 1.0)]


@pytest.mark.parametrize(
    "text",
    [
        "a (cat:1.3) [dog]",
        "[a:b:0.5] AND [c|d] BREAK",
        "a <lora:x:1> b",
        r"back\slash \( \[",
        "a :1.2",
        ":) :( (a:1.2.3)",
        "two\nlines (a",
        "{a|b} __c__",
        "",
    ],
)
def test_plain_words_stay_words(text: str) -> None:
    written = as_webui(text, "plain")
    assert read(written) == [(text, 1.0)]
    assert not parse(written, "webui", 20).networks


@pytest.mark.parametrize("text", ["a cat", "a cat, 猫 🐱\nthe second line", "a/b-c: d"])
def test_words_without_grammar_are_written_as_they_are(text: str) -> None:
    for syntax in ("plain", "webui", "comfy"):
        assert as_webui(text, syntax) == text


def test_the_web_uis_own_is_left_alone() -> None:
    text = "(a:1.2) [b:c:3] AND d BREAK <lora:x:1>"
    assert as_webui(text, "webui") == text


def test_any_plain_text_comes_back() -> None:
    random.seed(5)
    alphabet = [*"ab ()[]\\:,.1#<>|{}_\n", "AND", "BREAK", "lora:", ":1.2)"]
    for _ in range(2000):
        text = "".join(random.choices(alphabet, k=random.randrange(12)))
        (found,) = read(as_webui(text, "plain"))
        assert (found[0].split(), found[1]) == (text.split(), 1.0), text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a (red:1.2) cat", "a (red:1.2) cat"),
        ("((a:1.5):2)", "(a:1.5)"),
        ("(a (b:1.5) c:1.2)", "(a :1.2)(b:1.5)( c:1.2)"),
        ("[a] b", r"\[a\] b"),
        ("(a)", "(a:1.1)"),
        ("embedding:bad-hands.pt, b", "bad-hands, b"),
        ("(embedding:sub/easy:1.2)", "(easy:1.2)"),
    ],
)
def test_comfyuis_weights_are_written_out(text: str, written: str) -> None:
    assert as_webui(text, "comfy") == written


def test_any_comfy_text_weighs_the_same() -> None:
    random.seed(6)
    alphabet = [*"ab ()[]\\:,", "(x:1.3)", ":1.2)", ":-1)", "AND", "BREAK", "<lora:"]
    for _ in range(2000):
        text = "".join(random.choices(alphabet, k=random.randrange(12)))
        wanted = merged(list(comfy_weights(text)))
        found = merged([Segment(*each) for each in read(as_webui(text, "comfy"))])
        words = [[(each[0].split(), each[1]) for each in some] for some in (found, wanted)]
        for some in words:  # spaces at the end say nothing
            while some and not some[-1][0]:
                some.pop()
        assert words[0] == words[1], text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a cat+ and (two dogs)1.3", "a (cat:1.1) and (two dogs:1.3)"),
        ("(a (b)1.5 c)+", "(a:1.1) (b:1.65) (c:1.1)"),
        ("(a) [b]", r"a \[b\]"),
        ('("a", "b").and()', "a BREAK b"),
        ("a cat withLora(fur, 0.8)", "a cat <lora:fur:0.8>"),
        ('("a", "b").blend(0.6, 0.4)', r'\("a", "b"\).blend\(0.6, 0.4\)'),
        ("a cat.swap(dog)", r"a cat.swap\(dog\)"),
    ],
)
def test_compels_weights_are_written_out(text: str, written: str) -> None:
    assert as_webui(text, "compel") == written
