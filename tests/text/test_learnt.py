"""A tokenizer learns words without changing for others, and takes texts apart with them."""

import copy
import pickle
from pathlib import Path

import pytest

from kakusan.errors import RequestError
from kakusan.prompts import parse
from kakusan.text import CLIPTokenizer, LearntWord, Understanding, pieces, spelt_pieces, tokens_of
from kakusan.text.chunked import read_tokens

WORDS = {"<toy>": LearntWord(3, "my style.pt"), "zorglub": LearntWord(1)}


@pytest.fixture(scope="module")
def plain(tiny_v1: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(tiny_v1, subfolder="tokenizer")


def test_it_has_new_tokens_and_the_other_one_has_not(plain: CLIPTokenizer) -> None:
    before = plain.get_vocab()
    found = plain.learning(WORDS)
    first = len(plain)
    assert found.convert_tokens_to_ids(tokens_of(WORDS)) == list(range(first, first + 4))
    assert plain.get_vocab() == before
    assert found.without_learnt is plain
    assert found.learnt == WORDS
    assert found.learning({}) is plain
    assert found.learning({"<b>": LearntWord(1)}).without_learnt is plain
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found.learnt))):
        assert getattr(again, "learnt", again) == WORDS


def test_a_text_gets_all_tokens_of_a_word_once(plain: CLIPTokenizer) -> None:
    found = plain.learning(WORDS)
    text = found.with_learnt("a <toy>, zorglub <toy>")
    assert text == "a <toy> <toy>_1 <toy>_2, zorglub <toy> <toy>_1 <toy>_2"
    assert found.with_learnt(text) == text
    assert plain.with_learnt("a <toy>") == "a <toy>"
    row = found.encode_prompts(["<toy>"])[0].tolist()
    assert row[1:4] == found.convert_tokens_to_ids(["<toy>", "<toy>_1", "<toy>_2"])


def test_its_tokens_stay_together(plain: CLIPTokenizer) -> None:
    found, first = plain.learning(WORDS), len(plain)
    for syntax, text in (
        ("webui", "cat MY style"),
        ("comfy", "cat embedding:<toy>"),
        ("compel", "cat <toy>"),
    ):
        *others, last = pieces(syntax)(found, text)
        assert last == (first, first + 1, first + 2)
        assert all(len(each) == 1 for each in others)
        *_, (ids, word) = spelt_pieces(found, text, syntax)
        assert (ids, word) == (last, "<toy>")
    assert pieces("webui")(plain, "cat") == [(index,) for index, _ in plain.pieces("cat")]


@pytest.mark.parametrize("name", ["a</w>", "<toy>_1", ""])
def test_names_that_are_there_are_refused(plain: CLIPTokenizer, name: str) -> None:
    with pytest.raises(RequestError):
        plain.learning({**WORDS, name: LearntWord(1)})


def test_a_learnt_word_is_no_grammar(plain: CLIPTokenizer) -> None:
    found = plain.learning(WORDS)
    named = plain.learning({"a": LearntWord(2, "a.pt")}, as_tokens=False)
    assert named.tokenize("a b") == plain.tokenize("a b")
    assert pieces("webui")(named, "a b")[0] == (len(plain), len(plain) + 1)
    for text in ("a <toy>", "a embedding:zorglub.pt", "embedding:my style"):
        assert Understanding.of(text, plain).unread_grammar
        assert not Understanding.of(text, found).unread_grammar


def test_a_prompt_is_shown_with_a_place_for_each_vector(plain: CLIPTokenizer) -> None:
    first = len(plain)
    for syntax, text in (("webui", "cat (my style:1.3)"), ("plain", "cat <toy>")):
        found = plain.learning(WORDS, as_tokens=syntax == "plain")
        (read,) = read_tokens(parse(text, syntax, 20), found).texts
        *_, one, two, three = read.chunks[0]
        assert [one.id, two.id, three.id] == [first, first + 1, first + 2]
        assert {token.weight for token in (one, two, three)} == {1.3 if syntax == "webui" else 1.0}
        assert one.text == "<toy>"
