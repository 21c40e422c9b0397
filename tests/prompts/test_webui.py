"""AUTOMATIC1111's grammar against its own parser, and what must hold for any text."""

import json
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kakusan.errors import RequestError
from kakusan.prompts import Network, ParsedPrompt, Segment, differs, escape, parse
from kakusan.prompts.attention import attention
from kakusan.prompts.webui import parse_webui, without_comments

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("webui.json").read_text(encoding="utf-8")
)
CHARACTERS = (
    *"()[]\\:|#<>{} \n\ta1.,\0\ud800é猫\u3000",
    *("\x1c", "\x85", "\u2028", "\xa0", "٣", "\x0b"),
    *("BREAK", "AND", "<lora:x:1>", "# c\n", " BREAK ", "[a:b:3]", ":1.2", "[a|b]", "(c:1.1)"),
)


def parts_of(prompt: ParsedPrompt) -> list[Any]:
    return [
        [part.weight, [[t.until, t.text, [list(s) for s in t.segments]] for t in part.schedule]]
        for part in prompt.parts
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: repr(case["prompt"]))
def test_prompts_are_read_as_the_tool_reads_them(case: dict[str, Any]) -> None:
    def read() -> ParsedPrompt:
        return parse_webui(
            case["prompt"],
            case["steps"],
            hires_steps=case["hires_steps"],
            old_timelines=case["old"],
        )

    if case["parts"] is None:
        with pytest.raises(RequestError, match="is no number"):
            read()
    else:
        assert parts_of(read()) == case["parts"]


def texts(count: int, seed: int) -> list[str]:
    numbers = random.Random(seed)
    return ["".join(numbers.choices(CHARACTERS, k=numbers.randint(0, 14))) for _ in range(count)]


def test_escaping_brings_any_text_back() -> None:
    for text in texts(3000, 1):
        prompt = parse(escape(text), "webui", 10)
        assert prompt.schedule() == [
            {"until": 10, "parts": [{"weight": 1.0, "segments": [[text, 1.0]]}]}
        ], text
        assert not prompt.networks


def test_any_text_is_read_or_has_a_weight_that_is_none() -> None:
    for text in texts(3000, 2):
        try:
            prompt = parse(text, "webui", 10)
        except RequestError as caught:
            said = str(caught)
        else:
            said = ""
            assert all(part.schedule[-1].until == 10 for part in prompt.parts)
            assert json.dumps(prompt.schedule())
        assert not said or "is no number" in said, text


def test_a_text_without_special_characters_is_one_segment() -> None:
    numbers = random.Random(3)
    for _ in range(300):
        text = "".join(
            numbers.choices("abc, .-_/'\"!?é猫and BRK", k=numbers.randint(0, 30))
        ).strip()
        assert parse(text, "webui", 7).schedule() == [
            {"until": 7, "parts": [{"weight": 1.0, "segments": [[text, 1.0]]}]}
        ]
        assert not differs(text)


@pytest.mark.parametrize(
    "piece",
    [
        *("(", ")", "[", "]", "[a:", "{", "<", "|", ":", "\\", "#", " ", "\n", "\0", "\ud800"),
        *("AND ", "BREAK ", "<lora:", "(a", "[(", "(a:1.1 ", "[a|", "::::1", "# c\n"),
    ],
)
def test_a_megabyte_is_read_in_bounded_time(piece: str) -> None:
    text = (piece * (1_000_000 // len(piece) + 1))[:1_000_000]
    begun = time.process_time()
    parse(text, "webui", 20)
    assert time.process_time() - begun < 8  # two, on a machine that does nothing else


def test_brackets_nest_as_deep_as_they_like() -> None:
    deep = 100_000
    assert parse("(" * deep + "a" + ")" * deep, "webui", 4).parts[0].schedule[0].segments == (
        Segment("a", float("inf")),
    )
    assert parse("[" * deep + "a" + ":b:2]" * deep, "webui", 4).at(1)[0][1].text == "a"
    alternating = attention("([a" * deep + "])" * deep)
    assert all(abs(weight - 1) < 1e-6 for _, weight in alternating)


def test_weights_of_deep_nesting_are_near_those_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = random.Random(4)
    for _ in range(200):
        text = "".join(numbers.choices(("(a", "[b", ")", "]", "c", ":1.3)", ":-2)", ":0)"), k=20))
        exact = attention(text)
        with monkeypatch.context() as patch:
            patch.setattr(sys.modules["kakusan.prompts.attention"], "_EXACT", 0)
            near = attention(text)
        assert "".join(each.text for each in near) == "".join(each.text for each in exact)
        if len(near) == len(exact):
            assert [each.weight for each in near] == pytest.approx([each.weight for each in exact])


def test_too_many_texts_of_too_long_a_prompt_are_one_line() -> None:
    with pytest.raises(RequestError, match=r"1000000 characters and is 100 texts"):
        parse(("[a|b]" * 200_000)[:1_000_000], "webui", 100)


def test_comments_go_and_escaped_ones_stay() -> None:
    assert without_comments("a # b\nc") == "a \nc"
    assert without_comments("a\n# b\nc") == "a\nc"
    assert without_comments("a\\# b\nc") == "a\\# b\nc"
    assert without_comments("a\\\\# b\nc") == "a\\\\\nc"
    assert parse("a \\#1", "webui", 4).parts[0].schedule[0].segments == (Segment("a #1"),)
    kept = parse_webui("a #1", 4, comments=False)
    assert kept.parts[0].schedule[0].text == "a #1"


def test_any_space_may_stand_before_the_weight_of_a_side() -> None:
    for space in " \t\n\x0b\x1c\x85\xa0\u2028\u3000":
        assert parts_of(parse(f"a:{space}1.5 AND b", "webui", 4))[0][0] == 1.5


def test_a_negative_prompt_is_not_split() -> None:
    prompt = parse("a AND b :1.2 ", "webui", 4, split=False)
    assert parts_of(prompt) == [[1.0, [[4, "a AND b :1.2 ", [["a AND b :1.2 ", 1.0]]]]]]


def test_a_negative_prompt_names_no_networks() -> None:
    prompt = parse("a <lora:x:0.5>", "webui", 4, split=False)
    assert prompt.parts[0].schedule[0].text == "a <lora:x:0.5>"
    assert prompt.networks == ()


def test_networks_are_taken_out() -> None:
    prompt = parse("a <lora:x:0.5> b<lora:y:0.6:0.7><hypernet:z:2><foo:bar:q>c", "webui", 4)
    assert prompt.parts[0].schedule[0].text == "a  bc"
    assert prompt.networks == (
        Network("lora", "x", 0.5, 0.5),
        Network("lora", "y", 0.6, 0.7),
        Network("hypernet", "z", 2.0, 2.0),
        Network("foo", "bar", arguments=("q",)),
    )


@pytest.mark.parametrize(
    ("tag", "network"),
    [
        ("<lora:x>", Network("lora", "x")),
        ("<lyco:x:0.5>", Network("lyco", "x", 0.5, 0.5)),
        ("<lora:x:te=0.5>", Network("lora", "x", 0.5, 0.5)),
        ("<lora:x:unet=0.5>", Network("lora", "x", 1.0, 0.5)),
        ("<lora:x:0.2:te=0.5:unet=1:dyn=8>", Network("lora", "x", 0.5, 1.0, dyn=8)),
        ("<lora:x:0.2:0.3:4>", Network("lora", "x", 0.2, 0.3, dyn=4)),
        ("<lora:a=b=c:0.2>", Network("lora", "a=b=c", 0.2, 0.2)),
        ("<lora:x: .5 >", Network("lora", "x", 0.5, 0.5)),
        ("<lora:x:-1>", Network("lora", "x", -1.0, -1.0)),
        ("<lora:a<b:1>", Network("lora", "a<b")),
    ],
)
def test_a_tag_says_its_weights(tag: str, network: Network) -> None:
    assert parse(f"a {tag}", "webui", 4).networks == (network,)


@pytest.mark.parametrize("text", ["<lora:>", "<lora>", "<lora:x", "< lora:x>", "a < b: c"])
def test_what_is_no_tag_stays(text: str) -> None:
    prompt = parse(text, "webui", 4)
    assert (prompt.parts[0].schedule[0].text, prompt.networks) == (text, ())


@pytest.mark.parametrize(
    ("tag", "said"),
    [
        ("<lora:x:much>", "<lora:x:much> has the weight 'much'; it must be a number"),
        ("<lora:x:nan>", "must be a number"),
        ("<lora:x:much:te=1>", "has the weight 'much'"),
        ("<lora:x:1:inf>", "must be a number"),
        ("<lora:te=1>", "has no name"),
        ("<lora: :1>", "has no name"),
        ("<lora:x:dyn=a>", "dyn 'a'; it must be a whole number"),
        ("<lora:a<b:c>", "<lora:a<b:c> has the weight 'c'"),
        ("<hypernet:x:c>", "has the weight 'c'"),
    ],
)
def test_a_tag_that_says_nothing_usable_is_dropped_and_says_why(tag: str, said: str) -> None:
    prompt = parse(f"a{tag} b", "webui", 4)
    assert prompt.parts[0].schedule[0].text == "a b"
    (network,) = prompt.networks
    assert said in str(network.fault)
    assert (network.text_weight, network.unet_weight) == (0, 0)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("a <lora:x:1> b", None),
        ("[a<lora:x:1>:b:3]", ((0, 3),)),
        ("[a:<lora:x:1>b:3]", ((4, 10),)),
        ("[<lora:x:1>:3]", ((4, 10),)),
        ("[<lora:x:1>::3]", ((0, 3),)),
        ("<lora:x:1>[a:b:3]", None),
        ("[a:b:<lora:x:1>3]", None),
        ("[a|b<lora:x:1>]", ((2, 2), (4, 4), (6, 6), (8, 8), (10, 10))),
        ("[a:[b:c <lora:x:1>:7]:3]", ((8, 10),)),
        ("[(a <lora:x:1>:1.2):b:3] AND c", ((0, 3),)),
        ("c AND [a <lora:x:1>:b:3] :1.2", ((0, 3),)),
        ("[[a|<lora:x:1>b]:c:2]", ((2, 2),)),
        ("[a:<lora:x:1>:20]", ()),
        ("[a <lora:x:1> b]", None),
        ("[a:b:3] x|y <lora:x:1>", None),
        ("[a <lora:x:1>:b", None),
    ],
)
def test_a_tag_holds_while_its_text_does(text: str, spans: Any) -> None:
    prompt = parse(text, "webui", 10)
    assert [network.spans for network in prompt.networks] == [spans]
    without = parse(text.replace("<lora:x:1>", ""), "webui", 10)
    assert prompt.schedule() == without.schedule()


@pytest.mark.parametrize(
    "text",
    [
        "(a)",
        "[a]",
        "a\\b",
        "a # b",
        "a AND b",
        "a BREAK b",
        "<lora:x>",
        "[a:b:3]",
        "a:1.2",
        "(a:.)",
    ],
)
def test_grammar_is_told_from_plain_words(text: str) -> None:
    assert differs(text)


@pytest.mark.parametrize(
    "text", ["", "a cat ", "a  cat\n", "a | b", "a <b", "{a|b}", "BREAKFAST", "at 5: tea"]
)
def test_plain_words_are_no_grammar(text: str) -> None:
    assert not differs(text)


def test_a_syntax_that_nobody_has_is_one_line() -> None:
    with pytest.raises(RequestError, match="plain, webui, compel, comfy"):
        parse("a", "midjourney", 4)
