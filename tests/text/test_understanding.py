"""What is not understood is said in one line, once within a call, and kept in the record."""

import logging
import time
from pathlib import Path

import pytest

from kakusan.text import CLIPTokenizer, Understanding, said_once


@pytest.fixture(scope="module")
def tokenizer() -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained("builtin", subfolder="tokenizer")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.name == "kakusan"]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    caplog.clear()
    return said


def test_words_and_grammar_are_told_apart(tokenizer: CLIPTokenizer) -> None:
    found = Understanding.of("a (catt:1.3), <lora:zork:1> BREAK a griffin", tokenizer)
    assert found.unknown_words == {"catt": "cat", "griffin": None}
    assert found.read_as == {"catt": "cat"}
    assert found.unread_grammar == ("(catt:1.3)", "<lora:zork:1>", "BREAK")
    assert Understanding.of_record(found.to_record()) == found
    assert found.notes() == [
        'words that the model has never seen: "catt" (read as "cat"), "griffin"',
        'read as plain words: "(catt:1.3)", "<lora:zork:1>", "BREAK"',
    ]


def test_what_is_understood_leaves_no_trace(
    tokenizer: CLIPTokenizer, caplog: pytest.LogCaptureFixture
) -> None:
    found = Understanding.of("a cat (on a red background)", tokenizer)
    assert (found.to_record(), found.notes()) == ({}, [])
    found.say(builtin=True)
    assert lines(caplog) == []


def test_of_a_published_model_only_the_grammar_is_told(tiny_v1: Path) -> None:
    published = CLIPTokenizer.from_pretrained(tiny_v1 / "tokenizer")
    found = Understanding.of("a zork griffin (cat:1.3)", published)
    assert found == Understanding(unread_grammar=("(cat:1.3)",))


def test_what_is_cut_off_is_not_told_twice(tokenizer: CLIPTokenizer) -> None:
    assert Understanding.of("a cat " * 19 + "griffin", tokenizer).unknown_words == {}
    assert Understanding.of("a cat " * 17 + "griffin " * 9, tokenizer).unknown_words == {
        "griffin": None
    }
    assert Understanding.of("a cat " * 18 + "griffin", tokenizer).unknown_words == {}  # "dra"


def test_it_is_said_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    words = {"catt": "cat", "moose": "mouse", "griffin": None}
    found = Understanding(words, ("(a:1.3)",), {"catt": "cat"})
    found.say(builtin=True)
    found.say(is_open=False)
    assert lines(caplog) == [
        'the built-in model has never seen "catt" (read as "cat"), "moose" (nearest: "mouse"), '
        '"griffin"; it draws what it knows (its card: kakusan models show builtin)',
        "\"(a:1.3)\": read as plain words; prompt_syntax='webui' reads weights, BREAK and the like "
        "as AUTOMATIC1111 does; there are 'comfy' and 'compel', too",
        'this model has never seen "catt" (read as "cat"), "moose" (nearest: "mouse"), "griffin"; '
        "it draws what it knows",
        '"(a:1.3)": read as plain words',
    ]


def test_long_lists_and_hostile_texts_stay_short_and_printable(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = dict.fromkeys([f"word{i}" for i in range(30)])
    Understanding({"x" * 1000: None, **words}, ("\x1b[31m\u202e(a:1)", "y" * 500)).say()
    first, second = lines(caplog)
    assert '"word6" and 23 more; ' in first
    assert max(len(first), len(second)) < 400
    assert (first + second).isprintable()


def test_within_a_call_each_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    first, second = Understanding({"zork": None}), Understanding({"zork": None, "blib": None})
    with said_once():
        first.say()
        with said_once():
            first.say()
            second.say()
        second.say()
    assert [line.split(";")[0] for line in lines(caplog)] == [
        'this model has never seen "zork"',
        'this model has never seen "blib"',
    ]
    first.say()
    first.say()
    assert len(lines(caplog)) == 2


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"unknown_words": 5},
        {"unknown_words": ["a"]},
        {"unread_grammar": {"a": 1}},
        {"read_as": ["a"]},
        {"read_as": {"a": 1}},
    ],
)
def test_a_record_from_elsewhere_is_read_with_care(record: dict[str, object]) -> None:
    assert Understanding.of_record(record) == Understanding()
    strange = {"unknown_words": {"a": 5, "b": "c"}, "unread_grammar": [1, "x"]}
    assert Understanding.of_record(strange) == Understanding({"a": None, "b": "c"}, ("x",))


def test_a_learnt_token_is_no_grammar(tmp_path: Path, tiny_v1: Path) -> None:
    CLIPTokenizer.from_pretrained(tiny_v1 / "tokenizer").save_pretrained(tmp_path)
    size = len(CLIPTokenizer.from_pretrained(tmp_path))
    (tmp_path / "added_tokens.json").write_text(f'{{"<cat-toy>": {size}}}')
    learnt = CLIPTokenizer.from_pretrained(tmp_path)
    assert Understanding.of("a <cat-toy> <dog-toy>", learnt).unread_grammar == ("<dog-toy>",)


@pytest.mark.parametrize("text", ["猫a" * 50_000, "zork " * 20_000, "あ" * 50_000, "a-" * 50_000])
def test_what_has_no_room_is_not_looked_at(tokenizer: CLIPTokenizer, text: str) -> None:
    begun = time.process_time()
    assert len(Understanding.of(text, tokenizer).unknown_words) < 100
    assert time.process_time() - begun < 3
