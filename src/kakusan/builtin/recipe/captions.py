"""Captions of scenes as people write prompts, in English and in Japanese."""

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.english import clause_of, english
from kakusan.builtin.recipe.japanese import is_open, japanese, where_of
from kakusan.builtin.recipe.phrases import one
from kakusan.builtin.recipe.scenes import Scene
from kakusan.builtin.recipe.strange import (
    nothing_known,
    slipped,
    strange_word_ja,
    with_strangers,
    with_strangers_ja,
)
from kakusan.builtin.recipe.world import COLOURS

JAPANESE = 0.45  # of all captions
STRANGE = 0.14  # have words that mean nothing to the model
SLIPS = 0.03
_REQUESTS = ("。", "て", "たい", "です", "ほしい", "欲しい", "ください")  # end what they stand in
LONGEST, LONGEST_JA = 110, 40  # characters, for which the text encoder has room


def caption(scene: Scene, rng: Rng, things: int) -> str:
    """One of many ways to say what a scene shows; now and then without where it is.

    Some have words that mean nothing to a model of the first `things` objects: the scene is the
    same without them.
    """
    while True:
        text = _any_caption(scene, rng, things)
        if len(text) <= (LONGEST if text.isascii() else LONGEST_JA):
            return text


def _any_caption(scene: Scene, rng: Rng, things: int) -> str:
    if rng.random() < JAPANESE:
        text = _nothing_ja(scene, rng, things) or japanese(scene, rng)
        if rng.random() > STRANGE or is_open(text) or text.endswith(_REQUESTS):
            return text
        return with_strangers_ja(text, rng, things)
    text = _nothing(scene, rng, things) or english(scene, rng)
    if rng.random() < STRANGE:
        text = with_strangers(text, rng, things)
    return slipped(text, rng) if rng.random() < SLIPS else text


def _nothing(scene: Scene, rng: Rng, things: int) -> str:
    """Of an empty place now and then: something there that the model cannot know."""
    if scene.items or rng.random() < 0.5:
        return ""
    if scene.place is None:
        where = f"on a {one(rng, COLOURS[scene.colour].english)} background"
    else:
        where = clause_of(scene, rng)
    return nothing_known(rng, where, things)


def _nothing_ja(scene: Scene, rng: Rng, things: int) -> str:
    if scene.items or rng.random() < 0.5:
        return ""
    if scene.place is None:
        where = f"{one(rng, COLOURS[scene.colour].japanese)}の背景"
    else:
        where = where_of(scene, rng)
    forms = ("{p}の{w}", "{p}にいる{w}", "{w}、{p}", "{p}、{w}")
    return one(rng, forms).format(w=strange_word_ja(rng, things), p=where)
