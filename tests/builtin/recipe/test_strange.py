"""Words that mean nothing: none of them is known, and they leave a caption's own words whole."""

import numpy as np
import pytest

from kakusan.builtin.recipe.strange import (
    _article_of,
    _with_articles,
    everyday_words,
    real_words,
    slipped,
    strange_word,
    strange_word_ja,
    with_strangers,
    with_strangers_ja,
)
from kakusan.builtin.recipe.words import known_words
from kakusan.builtin.recipe.world import CORE, THINGS


def test_no_strange_word_is_known() -> None:
    known, rng = known_words(), np.random.default_rng(0)
    assert len(real_words(len(THINGS))) > 10_000
    assert not known.words & set(real_words(len(THINGS)))
    for _ in range(500):
        assert strange_word(rng, len(THINGS)).isascii()
    made = [strange_word_ja(rng, len(THINGS)) for _ in range(500)]
    assert sum(word in known.words for word in made) < 5
    assert all(2 <= len(word) <= 10 or word in everyday_words(len(THINGS))[1] for word in made)


def test_names_of_objects_that_a_model_does_not_know_are_strange_to_it() -> None:
    few, all_of_them = everyday_words(CORE), everyday_words(len(THINGS))
    others = THINGS[CORE:]
    for words, more, names in (
        (few[0], all_of_them[0], {name for thing in others for name in thing.english}),
        (few[1], all_of_them[1], {name for thing in others for name in thing.japanese}),
    ):
        assert len(names & set(words)) > 100
        assert not names & set(more)
        assert len(more) > 40
        assert len(set(words)) == len(words)
        assert not known_words(CORE).words & set(words)
    assert {"sunglasses", "zebra"} <= set(few[0])
    assert {"サングラス", "シマウマ", "さくらんぼ"} <= set(few[1])
    assert not {"松の木", "赤ワイン", "雪の結晶", "流れ星", "日本の城"} & set(few[1])


@pytest.mark.parametrize(
    ("word", "expected"),
    [("sunglasses", "a cat near sunglasses"), ("onion", "a cat near an onion")],
)
def test_strange_words_have_their_own_article(word: str, expected: str) -> None:
    assert _with_articles(f"a cat near a {word}", word, _article_of(word)) == expected


def test_they_stand_beside_a_captions_own_words() -> None:
    rng = np.random.default_rng(1)
    own = ["a", "red", "cat", "on", "the", "beach", "photo"]
    for _ in range(300):
        text = with_strangers("a red cat on the beach, photo", rng, len(THINGS)).replace(",", "")
        words = iter(text.replace("an ", "a ").split())
        assert all(word in words for word in own)  # in their order
        assert "赤い猫、海" in with_strangers_ja("赤い猫、海", rng, len(THINGS))


def test_a_slip_is_a_letter_too_few_or_two_swapped() -> None:
    rng = np.random.default_rng(2)
    for _ in range(100):
        text = slipped("a yellow boat", rng)
        assert len(text) in (12, 13)
        assert text[0] == "a"
    assert slipped("a cat", rng) == "a cat"
