"""Words that stand by themselves in a text, found and replaced."""

import unicodedata
from collections.abc import Iterator, Mapping

from kakusan.text.stretches import Script, script_of


def stands_in(text: str, word: str) -> bool:
    """Whether a word, in lower case, stands by itself somewhere in a text."""
    return next(_places(unicodedata.normalize("NFC", text), word), None) is not None


def put_right(text: str, read_as: Mapping[str, str]) -> str:
    """A text with other words in the places of some, one after the other."""
    for word, near in read_as.items():
        text = unicodedata.normalize("NFC", text)
        parts, end = list[str](), 0
        for at in _places(text, word):
            parts += [text[end:at], near]
            end = at + len(word)
        text = "".join([*parts, text[end:]])
    return text


def _places(text: str, word: str) -> Iterator[int]:
    """Where a word stands by itself; places that overlap count once."""
    lower = text.lower()
    at = lower.find(word) if len(lower) == len(text) else -1  # not so of "İ": places would differ
    while at >= 0:
        stands = _is_edge(lower, at) and _is_edge(lower, at + len(word))
        if stands:
            yield at
        at = lower.find(word, at + (len(word) if stands else 1))


def _is_edge(text: str, at: int) -> bool:
    """Whether a word may begin or end here."""
    if at in (0, len(text)):
        return True
    one, other = text[at - 1], text[at]
    letters = one.isalnum() and other.isalnum()
    return not letters or script_of(one) is not script_of(other) or _is_kana(one)


def _is_kana(character: str) -> bool:
    return script_of(character) is Script.HIRAGANA
