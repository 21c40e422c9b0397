"""Learnt words are found as each tool finds them."""

import pytest

from kakusan.prompts.learnt import Learnt, Lexicon, comfy_names, without_missing

IDS = {"a": 1, "cat": 2, "toy": 3, "-": 4, ",": 5, "style": 6, "red": 7, "<": 8, ">": 9, "_": 10}


def tokenize(text: str) -> list[int]:
    text = text.lower()
    for mark in "-,_<>":
        text = text.replace(mark, f" {mark} ")
    return [IDS.get(each, 99) for each in text.split()]


TOY = Learnt("<toy>", (100, 101), "cat-toy.pt")
CAT = Learnt("cat", (102,), "sub/cat.safetensors")
RED = Learnt("RED style", (103, 104), "Red_Style.bin")
BARE = Learnt("<bare>", (105,))
LEXICON = Lexicon([CAT, TOY, RED, BARE], tokenize)


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a cat", [1, CAT]),
        ("a CAT - toy, cat", [1, TOY, 5, CAT]),  # the longest name first, as tokens
        ("cat-cat-toy", [CAT, 4, TOY]),
        ("red_style red", [RED, 7]),
        ("<toy> <bare>", [TOY, BARE]),
        ("toy cats", [3, 99]),
        ("embedding:cat", [99]),
        ("", []),
    ],
)
def test_automatic1111_takes_a_files_name_as_a_word(text: str, items: list[object]) -> None:
    assert LEXICON.read(text, "webui") == items


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a embedding:cat-toy cat", [1, TOY, 2]),
        ("embedding:cat-toy.pt", [TOY]),
        ("embedding:sub/cat embedding:sub/cat.safetensors embedding:cat", [CAT, CAT, CAT]),
        ("embedding:cat-toy, a", [TOY, 5, 1]),
        ("embedding:RED_STYLE", [RED]),
        ("embedding:red,a", [99, 5, 1]),  # one name up to the space, which is of no file
        ("aembedding:style", [99]),
        ("a\tembedding: cat-toy", [1, TOY]),
        ("embedding:cat-toy<cat embedding:cat-toy[a", [TOY, 8, 2, TOY, 99]),
        ("embedding:cat-toy,,<cat", [TOY, 5, 5, 8, 2]),
        ("cat", [2]),
    ],
)
def test_comfyui_takes_what_follows_embedding(text: str, items: list[object]) -> None:
    assert LEXICON.read(text, "comfy") == items


def test_names_are_listed_once() -> None:
    assert comfy_names("embedding:a, xembedding:b embedding:a embedding:c.pt") == ["a", "c.pt"]


def test_invokeai_takes_names_in_angle_brackets() -> None:
    assert LEXICON.read("a <cat-toy> <toy> <bare> cat <none>", "compel") == [
        *(1, TOY, TOY, BARE, 2),
        *(8, 99, 9),
    ]


def test_the_later_of_one_name_counts() -> None:
    other = Learnt("x", (200,), "cat.pt")
    assert Lexicon([CAT, other], tokenize).read("cat", "webui") == [other]
    assert not Lexicon()


def test_names_whose_files_are_missing_are_left_out() -> None:
    text = "a (embedding:good:1.2), embedding:bad.pt, (embedding:bad:1.1) embedding:good"
    found = without_missing(text, ["good.safetensors"])
    assert found == "a (embedding:good:1.2),  , ( :1.1) embedding:good"
