"""What the model cannot know, mixed into captions: strange words, and slips of the pen.

The scene stays the same, so that the text encoder learns to pass such words by. Half of the English
ones are words of CLIP's vocabulary that no caption has, the others are made up, as all Japanese
ones are.
"""

import functools
import re

from kakusan.builtin.recipe.backdrops import Rng
from kakusan.builtin.recipe.nouns import article
from kakusan.builtin.recipe.phrases import one
from kakusan.builtin.recipe.words import known_words
from kakusan.text.clip_vocabulary import clip_vocabulary

_ONSETS = (
    *("b", "c", "d", "f", "g", "h", "j", "k", "l", "m", "n", "p", "r", "s", "t", "v"),
    *("w", "z", "br", "cl", "dr", "fl", "gr", "kr", "pl", "sh", "sk", "st", "th", "tr"),
    "qu",
)
_VOWELS = ("a", "e", "i", "o", "u", "a", "e", "i", "o", "ai", "ee", "oo", "ou", "ia")
_CODAS = ("n", "r", "l", "s", "t", "m", "k", "d", "x", "ck", "nd", "st", "th", "ng", "sh")
_MORAE = (
    "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメ"
    "モヤユヨラリルレロガギグゴザジダデバビブボパピプポ"
)
_LARGE = ("シュ", "チョ", "ジャ", "リョ", "ッ", "ー", "ン")
_KANJI = (
    "愛安以位委医域運影映益駅央応恩化価果河過解会害各格覚額完官管関観岸期規技義客究急級給許共協"
    "鏡極具係型形計警欠決件健検権限個護功効候構港告根査再採際在罪策雑蚕至志私姿視詞資飼児識質舎謝"
    "授修術準順序除将傷招承証条状織職制性政勢精製税責績接設舌絶銭祖素総造像増則測属率損退貸態団断築"
)
_WITH_ANOTHER = (
    *("a {w} fighting {x}", "a {w} holding {x}", "{w} and {x}", "a {w} with {x}", "{w} of {x}"),
    *("{w} riding {x}", "a {w} looking at {x}", "{w}'s {x}"),
)
_BESIDE = (
    *("{x}, {w}", "{x}, {w}", "{x}, {w} {v}", "{x} by {w} {v}", "{w}, {x}", "{w} {x}", "{x} {w}"),
    *("{x} with a {w}", "{x} on a {w}", "{x} and a {w}", "{x} near the {w}", "{x} {w} a {v}"),
    *("{x}, {w} style", "{x} in the style of {w}", "{x}, {w}, {v}"),
)
_BESIDE_JA = (
    *(
        "{w}な{x}",
        "{w}の{x}",
        "{w}の{x}",
        "{x}、{w}",
        "{x}、{w}",
        "{x}、{w}風",
        "{w}、{x}",
        "{w}と{x}",
        "{x}の{w}",
    ),
    *("{x}に乗った{w}", "{x}を持つ{w}", "{w}が{x}と戦っている", "{x}が{w}を持っている"),
    *(
        "{w}の上の{x}",
        "{w}を持った{x}",
        "{w}と戦う{x}",
        "{x}と{w}",
        "{w}する{x}",
        "{x} {w}",
        "{w}で{x}",
    ),
)
_ARTICLE = re.compile(r"(?<![\w'])an? (?=(\w+))")
_BEFORE = re.compile(r"(?<![\w'])(a|an|the) (?=[a-z])")


@functools.cache
def real_words() -> tuple[str, ...]:
    """English words, and some of other languages, that no caption has."""
    known = known_words().words
    words = (
        token.removesuffix("</w>") for token in clip_vocabulary().ids if token.endswith("</w>")
    )
    return tuple(w for w in words if re.fullmatch("[a-z]{4,12}", w) and w not in known)


def strange_word(rng: Rng) -> str:
    """A word in Latin letters that means nothing to the model."""
    if rng.random() < 0.5:
        return one(rng, real_words())
    syllables = 2 + int(rng.random() * 2)
    return "".join(one(rng, _ONSETS) + one(rng, _VOWELS) for _ in range(syllables)) + (
        one(rng, _CODAS) if rng.random() < 0.5 else ""
    )


def strange_word_ja(rng: Rng) -> str:
    """A word in katakana, hiragana or kanji that means nothing to the model."""
    kind = rng.random()
    if kind < 0.35:
        return "".join(one(rng, _KANJI) for _ in range(2))
    length = 2 + int(rng.random() * 3)
    word = "".join([one(rng, _MORAE), *(one(rng, (*_MORAE, *_LARGE)) for _ in range(length))])
    if kind < 0.85:
        return word
    return word.translate({code: code - 0x60 for code in range(0x30A1, 0x30F7)})


def with_strangers(text: str, rng: Rng) -> str:
    """An English caption with strange words: before a noun, or beside all others."""
    word, kind = strange_word(rng), rng.random()
    places = [match.end() for match in _BEFORE.finditer(text)]
    if kind < 0.4 and places:
        at = one(rng, places)
        found = f"{text[:at]}{word} {text[at:]}"
    elif kind < 0.6 and text.startswith(("a ", "an ")):
        found = one(rng, _WITH_ANOTHER).format(w=word, x=text)
    else:
        found = one(rng, _BESIDE).format(w=word, v=strange_word(rng), x=text)
    return _with_articles(found, word)


def with_strangers_ja(text: str, rng: Rng) -> str:
    """A Japanese caption with a strange word before or behind it."""
    return one(rng, _BESIDE_JA).format(w=strange_word_ja(rng), x=text)


def nothing_known(rng: Rng, where: str) -> str:
    """A caption that asks for nothing that can be drawn, but where it is to be."""
    word = strange_word(rng)
    forms = ("{w} {p}", "a {w} {p}", "{w}", "a {w} {v} {p}", "the {w} {p}")
    return _with_articles(one(rng, forms).format(w=word, v=strange_word(rng), p=where), word)


def _with_articles(text: str, word: str) -> str:
    """The text with the article that goes before a word, wherever it stands after one."""
    return _ARTICLE.sub(lambda found: f"{article(word)} " if found[1] == word else found[0], text)


def slipped(text: str, rng: Rng) -> str:
    """An English caption with a slip of the pen: a letter too few, or two that are swapped."""
    if len(text) < 9:
        return text
    i = 1 + int(rng.random() * (len(text) - 3))
    swapped = text[:i] + text[i + 1] + text[i] + text[i + 2 :]
    return swapped if rng.random() < 0.5 else text[:i] + text[i + 1 :]
