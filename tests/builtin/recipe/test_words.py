"""The words that the built-in model knows are those of its captions, all of them and no others."""

from pathlib import Path

import numpy as np
import pytest

from kakusan.builtin.recipe import synonyms
from kakusan.builtin.recipe.english import english
from kakusan.builtin.recipe.japanese import (
    PLACE_JA,
    PLACE_OF_ONE_JA,
    PLACE_OF_SENTENCE_JA,
    PLAIN_JA,
    PLAIN_OF_SENTENCE_JA,
    TIME_OF_SENTENCE_JA,
    japanese,
)
from kakusan.builtin.recipe.phrases import FRAMES_JA, FRAMES_OF_SENTENCE_JA
from kakusan.builtin.recipe.recipe import PROMPTS, Recipe
from kakusan.builtin.recipe.scenes import training_scene
from kakusan.builtin.recipe.words import known_words
from kakusan.builtin.recipe.world import RELATIONS, THINGS
from kakusan.checkpoints.source import locate
from kakusan.text import KnownWords
from kakusan.text.stretches import units

TABLE = Path(synonyms.__file__).with_name(synonyms.FILE)


def test_all_words_of_the_committed_file_are_of_the_recipe() -> None:
    taught = KnownWords.read(locate("builtin").folder / "tokenizer")
    assert taught == known_words(Recipe().things)


def test_synonyms_are_read_as_known_words_and_are_none() -> None:
    known = known_words(Recipe().things)
    assert len(known.synonyms) > 1500
    for other, read in known.synonyms.items():
        assert known.strangers(read) == [], (other, read)
        assert other not in known.words
        assert other == other.lower().strip()
    lines = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()]
    assert [len(line) for line in lines] == [2] * len(lines)
    others = [other for _, listed in lines for other in listed.split("|")]
    assert len(set(others)) == len(others)
    assert set(others) <= known.synonyms.keys()


def test_hardly_any_caption_says_a_synonym() -> None:
    """Nothing is read otherwise than it was learnt, but of a rare chance ("a little girl")."""
    known, rng = known_words(Recipe().things), np.random.default_rng(3)
    said: list[str] = []
    for _ in range(2000):
        scene = training_scene(rng, Recipe().things)
        for text in (english(scene, rng), japanese(scene, rng)):
            said += known.said_otherwise(text)
    assert len(said) <= 4, said


def test_synonyms_have_plurals_and_never_take_what_is_known() -> None:
    few, all_of_them = known_words(4), known_words(len(THINGS))  # a cat, a dog, a horse, a fish
    assert few.synonyms["dalmatian"] == "dog"
    assert few.synonyms["dalmatians"] == "dogs"
    assert "bird" not in few.synonyms.values()
    assert all_of_them.synonyms.keys().isdisjoint(all_of_them.words)
    names = {name.lower() for thing in THINGS for name in (*thing.english, *thing.japanese)}
    assert all_of_them.synonyms.keys().isdisjoint(names)


@pytest.mark.parametrize("things", [Recipe().things, len(THINGS)])
def test_every_caption_is_known(things: int) -> None:
    known, rng = known_words(things), np.random.default_rng(1)
    for _ in range(800):
        scene = training_scene(rng, things)
        for text in (english(scene, rng), japanese(scene, rng)):
            assert known.unknown(text) == {}, text


def test_every_word_is_of_a_caption() -> None:
    # of few objects, so that each of their names comes up
    known, rng, seen = known_words(4), np.random.default_rng(2), list[str]()
    for _ in range(25_000):
        scene = training_scene(rng, 4)
        seen += [english(scene, rng), japanese(scene, rng)]
    text = " ".join(seen).lower()
    words = set(units(text))
    unseen = {word for word in known.words if word not in words and word not in text}
    assert len(unseen) < 0.05 * len(known.words), unseen


def test_all_forms_are_of_known_words() -> None:
    known = known_words(0)
    forms = [*PLACE_JA, *PLACE_OF_ONE_JA, *PLAIN_JA]
    forms += [*PLACE_OF_SENTENCE_JA, *TIME_OF_SENTENCE_JA, *PLAIN_OF_SENTENCE_JA]
    forms += [*(form for relation in RELATIONS for form in relation.japanese)]
    for form in (*forms, *FRAMES_JA, *FRAMES_OF_SENTENCE_JA):
        x = "飛んでいる" if form in FRAMES_OF_SENTENCE_JA else "赤"
        text = form.format(a="赤", b="青い", c="緑", p="海", be="いる", x=x)
        assert known.unknown(text) == {}, form


def test_the_prompts_of_sample_grids_are_known() -> None:
    known = known_words(Recipe().things)
    assert {prompt: known.unknown(prompt) for prompt in PROMPTS} == {p: {} for p in PROMPTS}
