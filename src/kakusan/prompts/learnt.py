"""Learnt words (textual inversions) in a prompt: by which names, and which tokens stand for them.

Each syntax has its own rule. AUTOMATIC1111 takes a file's name as a word, and looks for its tokens
among the prompt's, the longest first; ComfyUI has `embedding:name`, InvokeAI and compel `<name>`;
the reference library a token of the tokenizer, which this room does not see.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

COMFY = "embedding:"
_BRACKETED = re.compile(r"<[^<>]{1,200}>")


class Learnt(NamedTuple):
    """A learnt word: what texts call it, and the tokens that stand for it, one for each vector.

    Attributes:
        token: by which the reference library's calls name it, often in angle brackets.
        ids: of the tokens; they are never parted.
        file: its file's name, or its path below the folder that it was found in; "" if it has none.
    """

    token: str
    ids: tuple[int, ...]
    file: str = ""

    @property
    def stem(self) -> str:
        """The file's name without its suffix."""
        return PurePosixPath(self.file).stem

    def names(self, syntax: str) -> list[str]:
        """What it is called in prompts of a syntax, without what a syntax puts round a name."""
        path = PurePosixPath(self.file)
        if syntax == "compel":
            bare = self.token.removeprefix("<").removesuffix(">")
            return list(dict.fromkeys([bare, *([self.stem] if self.file else [])]))
        if not self.file:
            return [self.token]
        if syntax == "webui":  # a word in brackets cannot be meant otherwise
            return [self.stem, *([self.token] if _BRACKETED.fullmatch(self.token) else [])]
        if syntax == "comfy":
            whole = [str(path), str(path.with_suffix("")), path.name, path.stem]
            return list(dict.fromkeys([*whole, self.token]))
        return [self.token]


Item = int | Learnt


class Lexicon:
    """The learnt words that prompts may name.

    Of two words of one name the later one counts.

    Args:
        tokenize: gives the ids of a text's tokens, without those that begin and end it.
    """

    def __init__(
        self, words: Iterable[Learnt] = (), tokenize: Callable[[str], Sequence[int]] | None = None
    ) -> None:
        self.words = tuple(words)
        self._tokenize = tokenize
        self._by_ids: dict[int, list[tuple[list[int], Learnt]]] | None = None
        self._by_name: dict[str, dict[str, Learnt]] = {}

    def __bool__(self) -> bool:
        return bool(self.words)

    def find(self, ids: Sequence[int], position: int) -> tuple[Learnt, int] | None:
        """As AUTOMATIC1111 does: the word whose name's tokens stand here, and how many they are."""
        if self._by_ids is None:
            self._by_ids = self._named_by_ids()
        for own, word in self._by_ids.get(ids[position], ()):
            if list(ids[position : position + len(own)]) == own:
                return word, len(own)
        return None

    def named(self, name: str, syntax: str) -> Learnt | None:
        """The word that is called so; the case of letters counts only where two differ by it."""
        if syntax not in self._by_name:
            found: dict[str, Learnt] = {}
            for fold in (str.casefold, str):
                # a file's whole path before its short names, and those before tokens
                for depth in reversed(range(5)):
                    for word in self.words:
                        some = word.names(syntax)
                        found |= {fold(each): word for each in some[depth : depth + 1]}
            self._by_name[syntax] = found
        known = self._by_name[syntax]
        return known.get(name) or known.get(name.casefold())

    def cut(self, text: str, syntax: str) -> list[str | Learnt]:
        """A text's stretches and the words between them, where a syntax marks names in the text.

        AUTOMATIC1111's are found among the tokens: the text is one stretch then.
        """
        marks = {"comfy": _comfy_names(text), "compel": _bracketed_names(text)}.get(syntax)
        stretches, end = list[str | Learnt](), 0
        for start, stop, name in marks or ():
            word, after = self.named(name, syntax), stop
            if word is None and syntax == "comfy":
                word = self.named(name.strip(","), syntax)
                after -= len(name) - len(name.strip(","))
            if word is not None:
                stretches += [text[end:start], word, text[after:stop]]
                end = stop
        return [each for each in [*stretches, text[end:]] if each]

    def read(self, text: str, syntax: str) -> list[Item]:
        """The tokens of a text, with the words that it names."""
        items = list[Item]()
        for stretch in self.cut(text, syntax):
            if isinstance(stretch, Learnt):
                items.append(stretch)
                continue
            ids, at = list(self._ids(stretch)), 0
            while at < len(ids):
                found = self.find(ids, at) if syntax == "webui" and self.words else None
                items.append(ids[at] if found is None else found[0])
                at += 1 if found is None else found[1]
        return items

    def _ids(self, text: str) -> Sequence[int]:
        assert self._tokenize is not None, "this lexicon was given no tokenizer"
        return self._tokenize(text)

    def _named_by_ids(self) -> dict[int, list[tuple[list[int], Learnt]]]:
        by_ids: dict[tuple[int, ...], Learnt] = {}
        for word in self.words:
            for name in word.names("webui"):
                by_ids[tuple(self._ids(name))] = word
        found: dict[int, list[tuple[list[int], Learnt]]] = {}
        for ids in sorted(by_ids, key=len, reverse=True):
            if ids:
                found.setdefault(ids[0], []).append((list(ids), by_ids[ids]))
        return found


def without_missing(text: str, files: Iterable[str]) -> str:
    """A prompt without the `embedding:name`s whose files are none of these, as ComfyUI reads it."""
    lexicon = Lexicon(Learnt(each, (0,), each) for each in files)

    def kept(match: re.Match[str]) -> str:
        name = re.sub(r":[-+]?[\d.]+$", "", match[1]).strip(",")
        return match[0] if lexicon.named(name, "comfy") else match[0].replace(COMFY + name, " ", 1)

    return re.sub(r"(?<![^\s(])embedding:([^\s()]+)", kept, text)


def comfy_names(text: str) -> list[str]:
    """The names that follow `embedding:` in a text, once each, without commas round them."""
    return list(dict.fromkeys(name.strip(",") for _, _, name in _comfy_names(text)))


def _comfy_names(text: str) -> Iterator[tuple[int, int, str]]:
    for match in re.finditer(r"(?<!\S)embedding:\s*(<[^\s<>]+>|[^\s<\[]+)", text):
        yield match.start(), match.end(), match[1]


def _bracketed_names(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _BRACKETED.finditer(text):
        yield match.start(), match.end(), match[0][1:-1]
