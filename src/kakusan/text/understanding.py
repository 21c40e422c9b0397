"""What of a prompt a model does not understand, and how that is said."""

import logging
import unicodedata
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self, cast

from kakusan.text.grammar import MOST, unread_grammar, without_grammar
from kakusan.text.learnt import without_learnt
from kakusan.text.tokenizer import CLIPTokenizer
from kakusan.text.words import LONGEST, KnownWords

logger = logging.getLogger("kakusan")
_MOST_SAID = 8  # of each in one line
_LONGEST_SAID = 40  # characters
# How grammar is read
HOW = (
    "prompt_syntax='webui' reads weights, BREAK and the like as AUTOMATIC1111 does; there are "
    "'comfy' and 'compel', too"
)
# What was said within `said_once`; None outside of one
_SAID: ContextVar[set[str] | None] = ContextVar("said", default=None)


@dataclass(frozen=True)
class Understanding:
    """What of one text or several is not understood.

    `unknown_words` are those that the model was never taught, each with the known one that is
    spelt most alike, if any is; there are none where nobody knows what a model was taught.
    `read_as` are those of them, and phrases, that are synonyms or slips of the pen, each with the
    word that is read instead.
    `unread_grammar` is what other programs read otherwise (`(word:1.3)`, `<lora:...>`).
    """

    unknown_words: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    unread_grammar: tuple[str, ...] = ()
    read_as: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def of(cls, text: str, tokenizer: CLIPTokenizer, *, whole: bool = False) -> Self:
        """Of a text as this tokenizer's model reads it.

        Args:
            whole: whether all of it is read, however long it is.
        """
        read_as, read = tokenizer.read_as(text), tokenizer.as_read(text)
        used = read if whole else tokenizer.used(read)
        text, read, used = (without_learnt(each, tokenizer.learnt) for each in (text, read, used))
        grammar = [each for each in unread_grammar(text) if not _is_token(each, tokenizer)]
        if used != read:  # the rest is cut off
            text = text[: len(used) + 2 * LONGEST]
            read_as = {word: near for word, near in read_as.items() if word in text.lower()}
        return cls(_unknown(text, read, used, tokenizer.words, read_as), tuple(grammar), read_as)

    @classmethod
    def of_all(cls, several: Iterable[Self]) -> Self:
        """Of several texts together."""
        words: dict[str, str | None] = {}
        grammar: dict[str, None] = {}
        read_as: dict[str, str] = {}
        for each in several:
            words |= each.unknown_words
            read_as |= each.read_as
            grammar |= dict.fromkeys(each.unread_grammar)
        return cls(words, tuple(grammar)[:MOST], read_as)

    @classmethod
    def of_record(cls, record: Mapping[str, object]) -> Self:
        """What `to_record` gave; what else may stand there is passed by."""
        words, forms = record.get("unknown_words"), record.get("unread_grammar")
        near = cast("dict[object, object]", words if isinstance(words, dict) else {})
        listed = cast("list[object]", forms if isinstance(forms, list) else [])
        read = record.get("read_as")
        read = cast("dict[object, object]", read if isinstance(read, dict) else {})
        return cls(
            {w: n if isinstance(n, str) else None for w, n in near.items() if isinstance(w, str)},
            tuple(form for form in listed if isinstance(form, str)),
            {w: n for w, n in read.items() if isinstance(w, str) and isinstance(n, str)},
        )

    def to_record(self) -> dict[str, object]:
        """What a picture's record says of it; nothing where all is understood."""
        found: dict[str, object] = {}
        if self.unknown_words:
            found["unknown_words"] = dict(self.unknown_words)
        if self.read_as:
            found["read_as"] = dict(self.read_as)
        if self.unread_grammar:
            found["unread_grammar"] = list(self.unread_grammar)
        return found

    def notes(self) -> list[str]:
        """The same in sentences."""
        notes: list[str] = []
        if self.unknown_words:
            listed = _listed(self.unknown_words, self.read_as)
            notes.append(f"words that the model has never seen: {listed}")
        if self.unread_grammar:
            notes.append(f"read as plain words: {_listed(self.unread_grammar)}")
        return notes

    def say(self, *, builtin: bool = False, is_open: bool = True) -> None:
        """Log it, each of both in one line: a warning, so that it is seen.

        Args:
            builtin: whether it is the model that comes with the package.
            is_open: whether nobody said whose grammar the texts have.
        """
        words, grammar = not_said(self.unknown_words), not_said(self.unread_grammar)
        if words:
            listed = _listed({word: self.unknown_words[word] for word in words}, self.read_as)
            model = "the built-in model" if builtin else "this model"
            card = " (its card: kakusan models show builtin)" if builtin else ""
            logger.warning("%s has never seen %s; it draws what it knows%s", model, listed, card)
        if grammar:
            how = f"; {HOW}" if is_open else ""
            logger.warning("%s: read as plain words%s", _listed(grammar), how)


@contextmanager
def said_once() -> Generator[None]:
    """What is said of requests is not said again, in all calls made within; see `not_said`."""
    said = _SAID.get()
    token = _SAID.set(set() if said is None else said)
    try:
        yield
    finally:
        _SAID.reset(token)


def not_said(texts: Iterable[str]) -> list[str]:
    """Those that were not said yet within `said_once`; they count as said from now on."""
    said = _SAID.get()
    new = [text for text in texts if said is None or text not in said]
    if said is not None:
        said.update(new)
    return new


def _unknown(
    text: str, read: str, used: str, known: KnownWords | None, read_as: Mapping[str, str]
) -> dict[str, str | None]:
    """Of the words that there is room for: of what is cut off, a warning of its own tells."""
    if known is None:
        return {}
    words = known.unknown(without_grammar(used))
    if used != read:  # whose last word may be cut in two
        whole = set(known.strangers(read[: len(used) + 2 * LONGEST]))
        words = {word: near for word, near in words.items() if word in whole}
    words |= read_as
    text = unicodedata.normalize("NFC", without_grammar(text)).lower()
    places = {word: text.find(word) for word in words}
    return {
        word: words[word] for word in sorted(words, key=places.__getitem__) if places[word] >= 0
    }


def _is_token(grammar: str, tokenizer: CLIPTokenizer) -> bool:
    """Whether it is one token of a tokenizer, as a learnt `<name>` may be."""
    return grammar.startswith("<") and len(tokenizer.tokenize(grammar)) == 1


def _listed(
    texts: Iterable[str] | Mapping[str, str | None], read_as: Mapping[str, str] | None = None
) -> str:
    near = texts if isinstance(texts, Mapping) else {}

    def told(text: str) -> str:
        if read_as and text in read_as:
            return f"{_quoted(text)} (read as {_quoted(read_as[text])})"
        return (
            f"{_quoted(text)} (nearest: {_quoted(near[text])})" if near.get(text) else _quoted(text)
        )

    shown = [told(text) for text in texts]
    more = len(shown) - _MOST_SAID
    return ", ".join(shown[:_MOST_SAID]) + (f" and {more} more" if more > 0 else "")


def _quoted(text: str | None) -> str:
    text = "".join(c if c.isprintable() else "\ufffd" for c in text or "")
    return f'"{text}"' if len(text) <= _LONGEST_SAID else f'"{text[: _LONGEST_SAID - 3]}..."'
