"""ComfyUI's, compel's and NovelAI's weights, by what the tools' own parsers gave."""

import random
import time

import pytest

from kakusan.errors import RequestError
from kakusan.prompts import Network, parse
from kakusan.prompts.comfy import comfy_weights, escape_comfy
from kakusan.prompts.novelai import novelai_weights

# ComfyUI's token_weights, with its escapes
COMFY = {
    "(a)": [("a", 1.1)],
    "((a))": [("a", 1.2100000000000002)],
    "((a:1.2) b)": [("a", 1.2), (" b", 1.1)],
    "((a:1.5):2)": [("a", 1.5)],
    "(a (b:1.5) c:1.2)": [("a ", 1.2), ("b", 1.5), (" c", 1.2)],
    "(a (b) c:1.2)": [("a ", 1.2), ("b", 1.32), (" c", 1.2)],
    "(a:1.2:1.3)": [("a:1.2", 1.3)],
    "(a:-1)": [("a", -1.0)],
    "(a:)": [("a:", 1.1)],
    "(a:x)": [("a:x", 1.1)],
    "(:1.2)": [(":1.2", 1.1)],
    "[a]": [("[a]", 1.0)],
    "(a": [("(a", 1.0)],
    "a)": [("a)", 1.0)],
    "a:1.2": [("a:1.2", 1.0)],
    "()": [("", 1.0)],
    "": [("", 1.0)],
    "\\(a\\)": [("(a)", 1.0)],
    "a)b(c)": [("a)b(c)", 1.0)],
    "a)(b(c)": [("a)(b", 1.0), ("c", 1.1)],
    "(a (b:1.5)": [("a ", 1.5), ("(b", 1.5)],
    "(a (b)": [("a ", 1.1), ("(b", 1.1)],
    "(a: 1e1 )": [("a", 10.0)],
    "embedding:x (b:0.5)": [("embedding:x ", 1.0), ("b", 0.5)],
}

# compel 2.5.1's PromptParser
COMPEL = {
    "cat+": [("cat", 1.1)],
    "a cat++, dog-": [("a", 1.0), ("cat", 1.2100000000000002), (",", 1.0), ("dog", 0.9)],
    "a (big cat)1.3 x": [("a", 1.0), ("big cat", 1.3), ("x", 1.0)],
    "(a (b)1.5 c)+": [("a", 1.1), ("b", 1.6500000000000001), ("c", 1.1)],
    "((a)+ b)1.2 c, d": [("a", 1.32), ("b", 1.2), ("c, d", 1.0)],
    "(a)": [("a", 1.0)],
    "((a))": [("a", 1.0)],
    "a (b:1.3) c": [("a b:1 . 3 c", 1.0)],
    "[a]": [("[a]", 1.0)],
    "cat:1.3": [("cat:1.3", 1.0)],
    "cat+dog": [("cat+dog", 1.0)],
    "a(b)": [("a(b)", 1.0)],
    "\\(a\\)": [("(a)", 1.0)],
    "a\\(b\\)+": [("a(b)", 1.1)],
    "a\\\\\\)+": [("a\\)", 1.1)],
    "a \\\\\\)": [("a )", 1.0)],
    "x a\\\\\\\\) b": [("x a) b", 1.0)],
    "a+\u3000b": [("a+\u3000b", 1.0)],
    '"a b"+ c': [("a b", 1.1), ("c", 1.0)],
    "cat++++--": [("cat", 1.4641000000000004), ("--", 1.0)],
    "a ++": [("a ++", 1.0)],
    "+ cat": [("+ cat", 1.0)],
    "(a)+ (b": [("a", 1.1), ("(b", 1.0)],
    "a,b": [("a, b", 1.0)],
    "(a,b)1.1": [("a , b", 1.1)],
    "(cat)1.5dog": [("cat", 1.5), ("dog", 1.0)],
    "(a b)-1": [("a b", 0.9), ("1", 1.0)],
    "cat.attend(1.3)": [("cat", 1.3)],
    "(a))": [("a )", 1.0)],
    "a.b+": [("a.b+", 1.0)],
    "()": [("", 1.0)],
    "  ": [("", 1.0)],
    "a (b c)": [("a b c", 1.0)],
}


@pytest.mark.parametrize("text", COMFY)
def test_comfyui(text: str) -> None:
    assert [tuple(each) for each in comfy_weights(text)] == COMFY[text]


@pytest.mark.parametrize("text", COMPEL)
def test_compel(text: str) -> None:
    prompt = parse(text, "compel", 10)
    assert [tuple(each) for each in prompt.parts[0].schedule[0].segments] == COMPEL[text]
    assert (len(prompt.parts), prompt.parts[0].weight, prompt.networks) == (1, 1.0, ())


def test_compel_blends_and_chains() -> None:
    blend = parse('("a b+", "c").blend(.6, .4)', "compel", 10)
    assert (blend.joined, blend.normalized) == ("blended", True)
    assert [part.weight for part in blend.parts] == [0.6, 0.4]
    assert blend.parts[0].schedule[0].segments == (("a", 1.0), ("b", 1.1))
    assert not parse('("a", "b").blend(1, 1, no_normalize)', "compel", 10).normalized
    chain = parse('("x: (y)1.2", z).and(1, 2)', "compel", 10)
    assert (chain.joined, [part.weight for part in chain.parts]) == ("chained", [1.0, 2.0])
    assert chain.parts[0].schedule[0].segments == (("x:", 1.0), ("y", 1.2))
    plain = parse('x ("a","b").blend(1,1)', "compel", 10)
    assert plain.parts[0].schedule[0].segments == (("x a , b .blend(1, 1)", 1.0),)


def test_compel_names_loras() -> None:
    prompt = parse("withLora(foo,0.5) cat useLora(bar)", "compel", 10)
    assert prompt.networks == (Network("lora", "foo", 0.5, 0.5), Network("lora", "bar"))
    assert prompt.parts[0].schedule[0].segments == (("cat", 1.0),)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat.swap(dog)", ".swap"),
        ('("a", "b").blend(1)', "1 weights for 2 texts"),
        ('("a", "b").blend(1, x)', "takes numbers"),
        ('("a", "b").and() c', "behind .and(...)"),
        ("a" + "+" * 9000, "too much"),
    ],
)
def test_what_compel_prompts_cannot_have_is_one_line(text: str, said: str) -> None:
    with pytest.raises(RequestError) as caught:
        parse(text, "compel", 10)
    assert said in str(caught.value)


def test_infinite_weights_are_one_line() -> None:
    with pytest.raises(RequestError, match=r"a weight of the prompt is 'nan'"):
        parse("(a:nan)", "comfy", 10)


def test_novelai() -> None:
    assert [tuple(each) for each in novelai_weights("a {{b}} [c] (d) {e")] == [
        ("a ", 1.0),
        ("b", 1.1025),
        (" ", 1.0),
        ("c", 1 / 1.05),
        (" (d) ", 1.0),
        ("e", 1.05),
    ]
    assert novelai_weights("a}") == (("a}", 1.0),)


@pytest.mark.parametrize("syntax", ["plain", "comfy", "compel"])
def test_any_text_is_read(syntax: str) -> None:
    numbers = random.Random(5)
    pieces = (*'()[]\\:|"+-., \n\0\ud800é', "a", "1.2", "(b)1.3", "(c:1.4)", ".attend(2)")
    for _ in range(2000):
        text = "".join(numbers.choices(pieces, k=numbers.randint(0, 14)))
        prompt = parse(text, syntax, 6)
        assert [timed.until for part in prompt.parts for timed in part.schedule] == [6]
    assert parse("a cat", syntax, 6).parts[0].schedule[0].segments == (("a cat", 1.0),)


def test_escaping_brings_comfyui_any_text_back() -> None:
    numbers = random.Random(6)
    for _ in range(1000):
        text = "".join(numbers.choices("()[]:a1. \n{}|", k=numbers.randint(0, 14)))
        assert comfy_weights(escape_comfy(text)) == ((text, 1.0),)


@pytest.mark.parametrize("syntax", ["comfy", "compel"])
@pytest.mark.parametrize("piece", ["(", ")", "((a:1.1)", "( ", '"', "a+", ":", "\\(", "(a:"])
def test_a_megabyte_is_read_in_bounded_time(syntax: str, piece: str) -> None:
    text = (piece * (1_000_000 // len(piece)))[:1_000_000]
    begun = time.process_time()
    parse(text, syntax, 20)
    assert time.process_time() - begun < 6


def test_brackets_nest_as_deep_as_they_like() -> None:
    deep = 100_000
    for syntax in ("comfy", "compel"):
        parse("(" * deep + "a" + ")" * deep, syntax, 4)
    assert parse("(" * deep + "a" + ":1.2)" * deep, "comfy", 4).parts[0].schedule[0].segments == (
        ("a", 1.2),
    )
