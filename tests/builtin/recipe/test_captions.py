"""Captions of training: in both languages, and with words that mean nothing."""

import re
import unicodedata

import numpy as np

from kakusan.builtin.recipe.captions import caption
from kakusan.builtin.recipe.scenes import Item, Scene, training_scene
from kakusan.builtin.recipe.words import known_words
from kakusan.builtin.recipe.world import CORE, THINGS
from kakusan.text import CLIPTokenizer

INDEX = {thing.name: index for index, thing in enumerate(THINGS)}


def test_captions_repeat_with_their_seed_and_have_many_wordings() -> None:
    scene = Scene((Item(INDEX["cat"]),), 6)
    texts = [caption(scene, np.random.default_rng(seed), CORE) for seed in range(200)]
    assert len(set(texts)) > 120
    assert texts == [caption(scene, np.random.default_rng(seed), CORE) for seed in range(200)]


def test_the_text_encoder_has_room_for_them() -> None:
    tokenizer = CLIPTokenizer.from_pretrained("builtin", subfolder="tokenizer")
    rng = np.random.default_rng(2)
    texts = [caption(training_scene(rng, CORE), rng, CORE) for _ in range(500)]
    assert all(tokenizer.used(text) == text for text in texts)


def test_nearly_half_are_japanese() -> None:
    rng = np.random.default_rng(0)
    texts = [caption(training_scene(rng), rng, len(THINGS)) for _ in range(1000)]
    assert 380 < sum(not text.isascii() for text in texts) < 520


def test_some_have_strange_words_which_leave_all_others() -> None:
    known, rng = known_words(), np.random.default_rng(1)
    scene = Scene((Item(INDEX["cat"]),), 6)
    cats = "|".join((*THINGS[INDEX["cat"]].english, *THINGS[INDEX["cat"]].japanese))
    texts = [caption(scene, rng, CORE) for _ in range(600)]
    strange = [text for text in texts if known.unknown(text)]
    assert 40 < len(strange) < 120
    slips = [text for text in strange if not re.search(cats, text)]
    assert len(slips) < 15


def test_of_an_empty_place_some_ask_for_what_nobody_knows() -> None:
    rng = np.random.default_rng(2)
    known = known_words()
    texts = [caption(Scene((), 6), rng, CORE) for _ in range(200)]
    unknown = [text for text in texts if known.unknown(text)]
    assert 60 < len(unknown) < 140
    assert all(unicodedata.normalize("NFC", text) == text for text in texts)
