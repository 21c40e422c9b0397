"""The words that a model was taught, in a file of its tokenizer's folder, and those it was not.

A published model has no such file: nobody knows what it has never seen. Other libraries pass the
file by. The file has the words, and for some of them synonyms and kinds that are read instead.
"""

import difflib
import functools
import itertools
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from kakusan.checkpoints.fields import MAX_ITEMS, Fields
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.errors import CheckpointError
from kakusan.text.standing import put_right, stands_in
from kakusan.text.stretches import Script, script_of, stretches, units

FILE = "words.json"
LONGEST = 60  # characters of one word
_SHORT = 4  # words of no more letters are near to one another by chance
_KANA = 0x60  # from hiragana to katakana
_SPELT = {"ph": "f", "ck": "k", "c": "k"}  # one sound, of which a slip is no wrong letter


@dataclass(frozen=True)
class KnownWords:
    """All words of the captions that a model learnt from, in lower case; in Japanese, of any
    script, the pieces that its sentences divide into. A single hiragana is a particle.

    `synonyms` are other words and phrases, of no caption, each with the known ones that mean the
    same or more: "dalmatian" is read as "dog".
    """

    words: frozenset[str]
    synonyms: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What a folder's file says; None where there is none.

        Raises:
            CheckpointError: The file is broken.
        """
        path = folder / FILE
        return cls.of_fields(Fields(read_json(path), str(path))) if path.is_file() else None

    @classmethod
    def of_fields(cls, fields: Fields) -> Self:
        """What `to_json` gave.

        Raises:
            CheckpointError: It is something else.
        """
        words, listed = fields.texts("words"), fields.part("synonyms", {})
        others = {other: word for word in listed.json for other in listed.texts(word)}
        if not all(0 < len(word) <= LONGEST for word in (*words, *listed.json, *others)):
            raise CheckpointError(f"{fields.where}: each word must have 1 to {LONGEST} characters.")
        if len(others) > MAX_ITEMS:
            raise CheckpointError(f"{fields.where}: there may be {MAX_ITEMS} synonyms at most.")
        return cls(frozenset(words), others)

    def to_json(self) -> dict[str, JSON]:
        """All of it in one object; synonyms stand beside the word that is read."""
        listed: dict[str, list[JSON]] = {}
        for word, other in sorted((word, other) for other, word in self.synonyms.items()):
            listed.setdefault(word, []).append(other)
        return {"words": [*sorted(self.words)], "synonyms": {**listed}}

    def taught(self, texts: Iterable[str]) -> Self:
        """With the words of new captions, as far as there is room for them.

        What they say is no longer read as something else.
        """
        words, synonyms = set(self.words), dict(self.synonyms)
        for text in texts:
            new = [word for word in self.strangers(text) if len(word) <= LONGEST]
            words.update(new[: MAX_ITEMS - len(words)])
            for word in self._perhaps_in(text):
                if stands_in(text, word):
                    synonyms.pop(word, None)
        return replace(self, words=frozenset(words), synonyms=synonyms)

    def said_otherwise(self, text: str) -> dict[str, str]:
        """The synonyms in a text, each with what is read instead, the longest first."""
        found: dict[str, str] = {}
        for word in self._perhaps_in(text):
            if word not in self.words and stands_in(text, word):
                found[word] = self.synonyms[word]
                text = put_right(text, {word: found[word]})
        return found

    def _perhaps_in(self, text: str) -> list[str]:
        """The synonyms whose letters a text has, in a word or as one, the longest first."""
        lower = unicodedata.normalize("NFC", text).lower()
        return [word for word in self._longest_first if word in lower]

    @functools.cached_property
    def _longest_first(self) -> list[str]:
        return sorted(self.synonyms, key=lambda word: (-len(word), word))

    @functools.cached_property
    def single_synonyms(self) -> Self:
        """The synonyms of one word each, as words: to be spelt wrong, too."""
        single = frozenset(word for word in self.synonyms if " " not in word)
        return replace(self, words=single, synonyms={})

    def unknown(self, text: str) -> dict[str, str | None]:
        """The words of a text that are not known, each with the one nearest in spelling, if any.

        As CLIP's tokenizer reads: capitals do not matter, punctuation is no word.
        """
        return {word: self.nearest(word) for word in self.strangers(text)}

    def strangers(self, text: str) -> list[str]:
        """The unknown words of a text, in its order."""
        found: dict[str, None] = {}
        for unit in units(unicodedata.normalize("NFC", text).lower()):
            if not self._has(unit):
                found |= dict.fromkeys(w for w in stretches(unit, self.words) if not self._has(w))
        return [word.removesuffix("'s") for word in found]

    def _has(self, word: str) -> bool:
        """Whether a word is known, or else what a hyphen or a number joins in it."""
        word = word.removesuffix("'s")
        if word in self.words or ("-" in word and self.words.issuperset(word.split("-"))):
            return True
        letters = word.lstrip("0123456789")  # as in "1girl", which tokens divide so too
        number = word[: len(word) - len(letters)]
        return bool(number and letters) and number in self.words and letters in self.words

    def nearest(self, word: str) -> str | None:
        """The known word that is spelt most like an unknown one, if any is."""
        if len(word) > LONGEST or "'" in word:
            return None
        plain = unicodedata.normalize("NFKC", word).lower()
        for other in (plain, *in_kana(plain)):
            if other != word and other in self.words:
                return other
        scripts = {script_of(character) for character in plain}
        if Script.OTHER in scripts:
            return self._nearest_in_letters(plain)
        if scripts == {Script.HIRAGANA} and len(plain) < _SHORT:
            return None
        return _closest(plain, [w for w in self.words if script_of(w[0]) in scripts], 0.6)

    def _nearest_in_letters(self, word: str) -> str | None:
        """Slips of the pen hardly ever change the first letter, but for two that are swapped."""
        swapped = {
            word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1)
        } & self.words
        if swapped and len(word) > 2:
            return min(swapped)
        known = [w for w in self.words if len(w) > 2 and w[0] == word[0]]
        sound = heard(word)
        alike = [w for w in known if heard(w) == sound]
        if alike:
            return min(alike)
        return _closest(word, known, 0.7 if len(word) > _SHORT else 0.8)


def heard(word: str) -> str:
    """A word as it is heard, roughly: one letter for a sound, and none of them twice."""
    for spelt, sound in _SPELT.items():
        word = word.replace(spelt, sound)
    return "".join(letter for letter, _ in itertools.groupby(word))


def _closest(word: str, known: Iterable[str], cutoff: float) -> str | None:
    """Of words that are as close as one another, one that this word ends in, as compounds do."""
    close = difflib.get_close_matches(word, sorted(known), n=5, cutoff=cutoff)
    ratios = [difflib.SequenceMatcher(None, each, word).ratio() for each in close]
    best = [each for each, ratio in zip(close, ratios, strict=True) if ratio == ratios[0]]
    return next((each for each in best if word.endswith(each)), best[0] if best else None)


def in_kana(word: str) -> tuple[str, str]:
    """The word in katakana, and in hiragana."""
    up = {code: code + _KANA for code in range(0x3041, 0x3097)}
    down = {code + _KANA: code for code in up}
    return word.translate(up), word.translate(down)


def write_words(folder: Path, words: KnownWords | None) -> None:
    """Write the file, or remove that of another model. Raises `OutputError`."""
    if words is None:
        (folder / FILE).unlink(missing_ok=True)
    else:
        write_json(folder / FILE, words.to_json())
