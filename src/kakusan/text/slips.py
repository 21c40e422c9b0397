"""Slips of the pen, read as the known word that was meant.

Only of a model whose words are known. A word that others know is no slip, however near it is to a
known one: no moose is a mouse. Those of Latin letters are told by CLIP's vocabulary, which was
counted on the texts of the web.
"""

import functools
import unicodedata
from collections.abc import Mapping

from kakusan.text.clip_vocabulary import clip_vocabulary
from kakusan.text.grammar import without_grammar
from kakusan.text.stretches import Script, script_of
from kakusan.text.words import KnownWords, heard, in_kana

_MOST = 100  # unknown words that are looked at: each is compared with all that are known
_LEAST, _LONG = 4, 7  # letters of a word that may have one slip, and two
_KATAKANA = 6  # characters of a Japanese word that may have a wrong one
_ALIKE = str.maketrans({"ソ": "ン", "ツ": "シ", "ッ": "シ", "ー": None, "―": None})
_WORD_END = "</w>"


def slips(text: str, known: KnownWords | None) -> dict[str, str]:
    """The slips of a text, each with the word that is read instead of it."""
    return {} if known is None else dict(_slips(text, known))


@functools.lru_cache(maxsize=32)  # a prompt is read several times on its way
def _slips(text: str, known: KnownWords) -> tuple[tuple[str, str], ...]:
    unknown = known.strangers(without_grammar(text))[:_MOST]
    near = ((word, known.nearest(word)) for word in unknown)
    return tuple((word, other) for word, other in near if other and is_slip(word, other))


def is_slip(word: str, near: str) -> bool:
    """Whether a word can only be a slip for a known one, or another spelling of it."""
    plain = unicodedata.normalize("NFKC", word).lower()
    if near in (plain, *in_kana(plain)):
        return True
    scripts = {script_of(character) for character in plain}
    if scripts == {Script.KATAKANA}:
        alike = len(plain) >= _LEAST and plain.translate(_ALIKE) == near.translate(_ALIKE)
        return alike or (len(plain) >= _KATAKANA and distance(plain, near) == 1)
    if scripts != {Script.OTHER} or not plain.isalpha():
        return False
    wrong = 1 if heard(plain) == heard(near) else distance(plain, near)
    swapped = wrong == 1 and sorted(plain) == sorted(near)
    enough = len(plain) >= _LEAST or (swapped and len(plain) == _LEAST - 1)
    most = 2 if len(plain) >= _LONG else 1
    return enough and wrong <= most and plain + _WORD_END not in clip_vocabulary().ids


def distance(one: str, other: str) -> int:
    """Letters that are wrong, missing, too many, or swapped with the next."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]


def put_right(text: str, read_as: Mapping[str, str]) -> str:
    """A text with other words in the places of its slips."""
    for word, near in read_as.items():
        text = _replaced(text, word, near)
    return text


def _replaced(text: str, word: str, near: str) -> str:
    """Each place where a word stands by itself has another in its place."""
    text = unicodedata.normalize("NFC", text)
    lower = text.lower()
    if len(lower) != len(text):  # as of "İ": places are not those of the text
        return text
    parts, end = list[str](), 0
    at = lower.find(word)
    while at >= 0:
        if _is_edge(lower, at) and _is_edge(lower, at + len(word)):
            parts += [text[end:at], near]
            end = at + len(word)
        at = lower.find(word, max(end, at + 1))
    return "".join([*parts, text[end:]])


def _is_edge(text: str, at: int) -> bool:
    """Whether a word may begin or end here."""
    if at in (0, len(text)):
        return True
    one, other = text[at - 1], text[at]
    letters = one.isalnum() and other.isalnum()
    return not letters or script_of(one) is not script_of(other) or _is_kana(one)


def _is_kana(character: str) -> bool:
    return script_of(character) is Script.HIRAGANA
