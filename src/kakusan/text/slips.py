"""Slips of the pen and synonyms, read as the known word that was meant.

Only of a model whose words are known. A word that others know is no slip, however near it is to a
known one: no moose is a mouse. Those of Latin letters are told by CLIP's vocabulary, which was
counted on the texts of the web.
"""

import functools
import unicodedata

from kakusan.text.clip_vocabulary import clip_vocabulary
from kakusan.text.grammar import without_grammar
from kakusan.text.standing import put_right
from kakusan.text.stretches import Script, script_of
from kakusan.text.words import KnownWords, heard, in_kana

_MOST = 100  # unknown words that are looked at: each is compared with all that are known
_LEAST, _LONG = 4, 7  # letters of a word that may have one slip, and two
_KATAKANA = 6  # characters of a Japanese word that may have a wrong one
_ALIKE = str.maketrans({"ソ": "ン", "ツ": "シ", "ッ": "シ", "ー": None, "―": None})
_WORD_END = "</w>"


def read_as(text: str, known: KnownWords | None) -> dict[str, str]:
    """The synonyms and the slips of a text, each with the word that is read instead of it."""
    return {} if known is None else dict(_read_as(text, known))


@functools.lru_cache(maxsize=32)  # a prompt is read several times on its way
def _read_as(text: str, known: KnownWords) -> tuple[tuple[str, str], ...]:
    text = without_grammar(text)
    said = known.said_otherwise(text)
    unknown = known.strangers(put_right(text, said))[:_MOST]
    meant = ((word, _meant(word, known)) for word in unknown)
    return (*said.items(), *((word, other) for word, other in meant if other))


def _meant(word: str, known: KnownWords) -> str | None:
    """What an unknown word is a slip for: a known word, or else a synonym with one letter wrong."""
    near = known.nearest(word)
    if near and is_slip(word, near):
        return near
    other = known.single_synonyms.nearest(word)
    return known.synonyms[other] if other and is_slip(word, other, most=1) else None


def is_slip(word: str, near: str, *, most: int = 2) -> bool:
    """Whether a word can only be a slip for a known one, or another spelling of it.

    Args:
        most: letters that may be wrong in a long word.
    """
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
    most = most if len(plain) >= _LONG else 1
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
