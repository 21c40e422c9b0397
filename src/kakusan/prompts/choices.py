"""Choices in a prompt, `{a|b}` and `__file__`, which a seed decides; the syntax of dynamicprompts.

`{a|b|c}` is one of them and `{0.5::a|b}` with weights; `{2$$a|b|c}` are two, `{1-3$$a|b|c}` one to
three, joined by a comma or what stands between, as in `{2$$ and $$a|b|c}`. `__animals__` is a line
of a file (see `Wildcards`), in which there may be choices again. All nest. A backslash before a
brace, a bar or two underscores has them mean nothing; what stands behind # is left alone, and so
is what chooses nothing by chance: `${name}`, `%{...}`, `{!a|b}`, `{@a|b}`, `__!name__`, `__@name__`
and weights below 0.

The seed decides all of it: the numbers are those of `random.Random(str(seed)).random()`, which
Python promises to keep, one for every choice in the order in which their braces close and one
more where how many is open, then for every wildcard from left to right.
"""

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kakusan.errors import RequestError, shown
from kakusan.prompts.wildcards import Wildcards

_TOKEN = re.compile(
    r"\\(?:[{}|\\#]|__)|#[^\n]*|(?P<variable>[$%]\{)|(?P<open>\{)|(?P<mark>[|}])|[^\\#$%{|}]+|.",
    re.DOTALL,
)
_HEAD = re.compile(
    r"\s*(?P<way>[~!@])?(?:(?:(?P<least>\d{1,9})(?:(?P<to>-)(?P<most>\d{1,9})?)?|-(?P<upto>\d{1,9}))"
    r"\$\$(?:(?P<between>[^${}\n]+)\$\$)?)?"
)
_WEIGHT = re.compile(r"([+-]?(?:\d+\.\d*|\.\d+)|\d+)::")
_WILDCARD = r"__(?P<way>[~!@]?)(?P<name>(?:(?!__)[^(){}$#|\n])+)__"
_PLACE = re.compile(rf"\\(?P<escaped>[{{}}|]|__)|\\[\\#]|#[^\n]*|{_WILDCARD}")
_MOST = 10_000  # wildcards looked up for one prompt
_LONGEST = 2_000_000  # characters


def resolve(text: str, seed: int | None, folders: Sequence[Path | str] = ()) -> str:
    """A prompt in which every choice is made, by a picture's own seed.

    The same text, seed and files give the same on every machine and in every version of Python. A
    brace that nothing closes, or nothing opened, stands for itself.

    Args:
        seed: None where there is none, so that there can be no choices.
        folders: where wildcards are looked for.

    Raises:
        RequestError: There is no seed for a choice, or a wildcard is not found or leads back to
            itself.
    """
    if "{" not in text and "__" not in text:
        return text
    return _Choosing(seed, Wildcards(folders)).resolved(text, ())


def has_choices(text: str) -> bool:
    """Whether a seed has anything to decide in a text: a brace that is closed, or a wildcard."""
    opened: list[bool] = []
    for match, head in _tokens(text):
        if match["variable"] or match["open"]:
            opened.append(_chooses(head))
        elif match["mark"] == "}" and opened and opened.pop():
            return True
    return any(_is_wildcard(match) for match in _PLACE.finditer(text))


def left_as_text(text: str) -> list[str]:
    """What looks like a choice and is none: the beginnings of `${...}`, `{!...}` and their like."""
    opened: list[str | None] = []
    found: list[str] = []
    for match, head in _tokens(text) if "}" in text else ():
        if match["variable"] or match["open"]:
            begins = f"{match[0]}{'' if head is None else head[0]}"
            opened.append(None if _chooses(head) else begins)
        elif match["mark"] == "}" and opened and (begins := opened.pop()) is not None:
            found.append(begins)
    places = (match for match in _PLACE.finditer(text) if match["name"] is not None)
    found += [match[0] for match in places if not _is_wildcard(match)]
    return list(dict.fromkeys(found))


def _tokens(text: str) -> Iterator[tuple[re.Match[str], re.Match[str] | None]]:
    """The pieces of a text, and what stands at the beginning of those that are an open brace."""
    place = 0
    while match := _TOKEN.match(text, place):
        head = _HEAD.match(text, match.end()) if match["open"] else None
        place = match.end() if head is None else head.end()
        yield match, head


def _chooses(head: re.Match[str] | None) -> bool:
    """Whether a brace chooses by chance, by what it begins with; None is a variable's."""
    return head is not None and head["way"] in (None, "~")


def _is_wildcard(match: re.Match[str]) -> bool:
    return match["name"] is not None and match["way"] in ("", "~")


@dataclass
class _Open:
    """A brace that nothing has closed yet, and its options as far as they are read."""

    head: re.Match[str] | None
    options: list[list[str]] = field(default_factory=lambda: [[]])
    sign: str = ""

    def add(self, text: str) -> None:
        self.options[-1].append(text)

    def spelt(self) -> str:
        """What it is where it is no choice."""
        head = "" if self.head is None else self.head[0]
        return self.sign + head + "|".join("".join(each) for each in self.options)


class _Choosing:
    """One prompt's choices."""

    def __init__(self, seed: int | None, wildcards: Wildcards) -> None:
        self.is_seeded, self.numbers = seed is not None, random.Random(str(seed))
        self.wildcards, self.looked_up = wildcards, 0

    def check_seeded(self) -> None:
        if not self.is_seeded:
            raise RequestError(
                "the prompt has choices, as in {a|b} or __name__, which a picture's seed makes, "
                "and there is no picture here; make them before, or write \\{ and \\__ for what is "
                "none"
            )

    def resolved(self, text: str, within: tuple[str, ...]) -> str:
        """A text without choices; `within` are the wildcards that it is of."""
        chosen = self.chosen(text, within)
        parts: list[str] = []
        end = 0
        for match in _PLACE.finditer(chosen):
            parts += [chosen[end : match.start()], self.place(match, within)]
            end = match.end()
        whole = "".join([*parts, chosen[end:]])
        if len(whole) > _LONGEST:
            raise RequestError(f"the prompt's choices make more than {_LONGEST} characters of it")
        return whole

    def place(self, match: re.Match[str], within: tuple[str, ...]) -> str:
        if match["escaped"] is not None:
            return match["escaped"]
        if not _is_wildcard(match):
            return match[0]
        values, name = self.values(match, within), match["name"]
        return self.resolved(self.picked(values, [1.0] * len(values), 1)[0], (*within, name))

    def values(self, match: re.Match[str], within: tuple[str, ...]) -> list[str]:
        """What a wildcard can be."""
        self.check_seeded()
        name = match["name"]
        if name in within:
            circle = " -> ".join((*within[within.index(name) :], name))
            raise RequestError(f"a wildcard leads back to itself: {shown(circle)}")
        self.looked_up += 1
        if self.looked_up > _MOST:
            raise RequestError(f"the prompt's wildcards lead to more than {_MOST} others")
        return [re.sub(r"(?<!\\)#.*", "", each).rstrip() for each in self.wildcards.values(name)]

    def chosen(self, text: str, within: tuple[str, ...]) -> str:
        """The text with braces replaced by what was chosen, from the inner to the outer ones."""
        if "}" not in text:
            return text
        opened = [_Open(None)]
        for match, head in _tokens(text):
            if match["variable"] or match["open"]:
                opened.append(_Open(head, sign=match[0]))
            elif match["mark"] and len(opened) > 1:
                if match["mark"] == "|":
                    opened[-1].options.append([])
                else:
                    closed = opened.pop()
                    opened[-1].add(self.choice(closed, within))
            else:
                opened[-1].add(match[0])
        return "".join(each.spelt() for each in opened)

    def choice(self, closed: _Open, within: tuple[str, ...]) -> str:
        """What becomes of a brace and its options."""
        head = closed.head
        if head is None or not _chooses(head):
            return closed.spelt() + "}"
        options = ["".join(each).lstrip() for each in closed.options]
        weighed = [_WEIGHT.match(each) for each in options]
        weights = [1.0 if each is None else float(each[1]) for each in weighed]
        texts = [o if w is None else o[w.end() :] for o, w in zip(options, weighed, strict=True)]
        if min(weights) < 0:
            return closed.spelt() + "}"
        if len(texts) > 1:
            self.check_seeded()
        wildcard = re.fullmatch(rf"\s*{_WILDCARD}\s*", texts[0])
        several = "$$" in head[0]
        if several and len(texts) == 1 and wildcard is not None:
            inner = (*within, wildcard["name"])
            texts = [self.chosen(each, inner) for each in self.values(wildcard, within)]
            weights = [1.0] * len(texts)
        between = head["between"] or ","
        made = between.join(picked := self.picked(texts, weights, self.count(head, len(texts))))
        return made if len(picked) == 1 else made.removeprefix(between).removesuffix(between)

    def count(self, head: re.Match[str], most: int) -> int:
        """How many options are taken."""
        if "$$" not in head[0]:
            return 1
        low = int(head["least"] or 1)
        high = int(head["most"] or head["upto"] or (most if head["to"] else low))
        low, high = sorted((min(low, most), min(high, most)))
        return low if low == high else low + int(self.numbers.random() * (high - low + 1))

    def picked(self, values: Sequence[str], weights: Sequence[float], count: int) -> list[str]:
        """Some of the values, none twice, more likely those of larger weight."""
        left = list(zip(values, weights, strict=True))
        picked: list[str] = []
        for _ in range(count):
            total = sum(weight for _, weight in left)
            if not total:
                left = [(value, 1.0) for value, _ in left]
                total = float(len(left))
            point = self.numbers.random() * total
            index = 0
            while index < len(left) - 1 and point >= left[index][1]:
                point -= left[index][1]
                index += 1
            picked.append(left.pop(index)[0])
        return picked
