"""Other programs' grammars are found in prompts, and prose is not taken for one."""

import time

import pytest

from kakusan.text.grammar import unread_grammar, without_grammar


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("(cat:1.3) on a mat", ["(cat:1.3)"]),
        ("a (cat: 1.2), (dog :0.5), (1girl:1)", ["(cat: 1.2)", "(dog :0.5)", "(1girl:1)"]),
        ("(a (b) c:1.2)", ["c:1.2)"]),
        ("a cat, (blue:1.3", ["(blue:1.3"]),
        ("((cat)), [[dog]], {{bird}}", ["((cat))", "[[dog]]", "{{bird}}"]),
        ("((cat:1.3))", ["((cat:1.3))"]),
        ("( (cat) ), (dog : 2), (bird:-1)", ["( (cat)", "(dog : 2)", "(bird:-1)"]),
        ("[cat:dog:0.5] [cat:10] [:dog:0.5] [cat::10]", 4),
        ("[cat|dog] and {cat|dog} and {2$$a|b|c}", 3),
        ("a cat <lora:foo_v1.2:0.8> <hypernet:a b:1>", ["<lora:foo_v1.2:0.8>", "<hypernet:a b:1>"]),
        ("a <cat-toy> in __place__, embedding:bad", ["<cat-toy>", "__place__", "embedding:bad"]),
        ("a cat BREAK a dog", ["BREAK"]),
        ("猫 BREAK 犬", ["BREAK"]),
        ("a cat AND a dog :1.2", ["AND"]),
        ("hatsune miku \\(vocaloid\\)", ["\\(vocaloid\\)"]),
        ("cat++, (a big cat)1.3, (a dog)--", ["cat++", "(a big cat)1.3", "(a dog)--"]),
        ("cat.swap(dog)", ["cat.swap("]),
        ("a cat --ar 16:9 --v 5", ["--ar 16:9", "--v 5"]),
        ("hot dog::2", ["dog::2"]),
        ("a\n(cat:1.3)\n(cat:1.3)", ["(cat:1.3)"]),
    ],
)
def test_grammar_is_found(text: str, found: list[str] | int) -> None:
    told = unread_grammar(text)
    assert told == found if isinstance(found, list) else len(told) == found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a cat (on a mat), [a dog], {a bird}",
        "a clock (10:30), 16:9 [12:00] (scale 1:2)",
        "a smiling cat (happy :3)",
        "A CAT AND A DOG TAKE A BREAK",
        "a ROCK AND ROLL band, R AND B",
        "a cat and a dog take a break for breakfast",
        'a cat — a dog; what? (yes!) "x" & y / z -- a <3 b',
        "a c++ book; a | b; a_b_c; embedding: a; x:y",
        "well-known, half--timbered",
        "猫（大きい：1.2）",
    ],
)
def test_prose_is_none(text: str) -> None:
    assert unread_grammar(text) == []
    assert without_grammar(text) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(cat:1.3) BREAK <lora:foo:0.8> a dog", "(cat ) a dog"),
        ("[cat:dog:0.5], {cat|dog}", "[cat:dog ], {cat|dog}"),
        ("((cat:1.3)) __place__ embedding:bad", "((cat ))"),
        ("3 cats --ar 16:9", "3 cats"),
    ],
)
def test_what_is_left_are_words(text: str, words: str) -> None:
    assert " ".join(without_grammar(text).split()) == words


@pytest.mark.parametrize(
    "text", ["(" * 10**5, "(a" * 10**5, "a:" * 10**5, "<a" * 10**5, "_" * 10**5]
)
def test_no_text_takes_long(text: str) -> None:
    began = time.process_time()
    assert len(unread_grammar(text)) <= 20
    assert time.process_time() - began < 1
