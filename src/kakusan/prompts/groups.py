"""Groups that change while a picture is drawn: AUTOMATIC1111's `[from:to:when]` and `[a|b]`.

`text` is words, spaces, and a backslash with any character but a line's end; and groups of it:
`(text)`, `(text:text)`, `[text]`, `[text:text:number]`, `[text:number]`, `[text|text|...]`. A
bracket or colon that is in no group stands for itself. A bar that is in no group, or a backslash
before nothing, has the tool take the whole prompt as it stands.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_TOKEN = re.compile(r"(?P<mark>[\[\]():|])|(?:[^\\\[\]():|]|\\.)+")
_WHEN = re.compile(r"\s*([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)\s*")

_MAY_CHANGE = re.compile(r"\||:\s*[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?\s*\]")


class Taken(NamedTuple):
    """Something that was taken out of the text, and where it stood in what is left."""

    place: int
    number: int


class Change(NamedTuple):
    """`[first:second:when]`, or `[second:when]`."""

    first: "Nodes"
    second: "Nodes"
    when: str


class Turns(NamedTuple):
    """`[a|b|...]`: one after the other, each for one call."""

    branches: "tuple[Nodes, ...]"


class Group(NamedTuple):
    """Brackets that stand for themselves, with what is in them."""

    inside: "Nodes"


Node = str | Taken | Change | Turns | Group
Nodes = list[Node]


@dataclass
class _Open:
    """A bracket that nothing has closed yet; an empty one is the whole text."""

    bracket: str
    last: int = 0  # where the last branch begins in the text
    mark: int = 0  # which of the text's marks it is
    branches: list[Nodes] = field(default_factory=lambda: [[]])
    between: list[str] = field(default_factory=list[str])  # the colons and bars

    def divide(self, mark: str, place: int) -> None:
        self.between.append(mark)
        self.branches.append([])
        self.last = place + 1

    def spelt(self) -> Iterator[Node]:
        """What it is where it is no group."""
        for mark, branch in zip((self.bracket, *self.between), self.branches, strict=True):
            yield mark
            yield from branch

    def closed(self, text: str, place: int) -> Nodes | None:
        """The group that ends at `place`; None where the rules have none of that form."""
        colons = len(self.between)
        if "|" in self.between:
            return [Turns(tuple(self.branches))] if ":" not in self.between else None
        if colons == 0 or (self.bracket == "(" and colons == 1):
            return [Group([*self.spelt(), text[place]])]
        when = _WHEN.fullmatch(text, self.last, place)
        if self.bracket == "(" or colons > 2 or when is None:
            return None
        first = self.branches[0] if colons == 2 else []
        number = self.branches[-1]
        return [*_taken(number), Change(first, self.branches[-2], when[1])]


class _Closed(NamedTuple):
    """A group by where it ends: which of the text's marks opens it, and whether it has bars."""

    mark: int
    has_bars: bool


class _NoGroups(Exception):  # noqa: N818
    """The text is to be taken as it stands."""


class _Reader:
    """Reads a text from left to right; `opened[0]` is the text itself."""

    def __init__(self, text: str, taken: Sequence[Taken], spelt: Collection[int] = ()) -> None:
        self.text, self.spelt = text, spelt
        self.marks: list[int] = []
        self.groups: dict[int, _Closed] = {}
        self.taken = iter(taken)
        self.next = next(self.taken, None)
        self.opened = [_Open("")]

    def read(self) -> Nodes:
        end = 0
        for match in _TOKEN.finditer(self.text):
            if match.start() != end:
                raise _NoGroups
            self.put_back(end)
            end = match.end()
            if match["mark"] is not None:
                self.marks.append(match.start())
            if match["mark"] is None:
                self.opened[-1].branches[-1].append(match[0])
            elif match[0] in "([":
                self.opened.append(_Open(match[0], end, len(self.marks) - 1))
            elif match[0] in ")]":
                self.close(match[0], match.start())
            else:
                self.divide(match[0], match.start())
        if end != len(self.text):
            raise _NoGroups
        self.put_back(end)
        self.give_up()
        return self.opened[0].branches[0]

    def put_back(self, place: int) -> None:
        """What was taken out up to here belongs to the branch that is being read."""
        while self.next is not None and self.next.place <= place:
            self.opened[-1].branches[-1].append(self.next)
            self.next = next(self.taken, None)

    def close(self, mark: str, place: int) -> None:
        top = self.opened[-1]
        fits = top.bracket + mark in ("()", "[]") and place not in self.spelt
        group = top.closed(self.text, place) if fits else None
        if group is None:
            self.give_up()
            self.opened[0].branches[0].append(mark)
        else:
            self.opened.pop()
            self.groups[place] = _Closed(top.mark, isinstance(group[-1], Turns))
            self.opened[-1].branches[-1] += group

    def divide(self, mark: str, place: int) -> None:
        top = self.opened[-1]
        if mark == "|" and top.bracket != "[":
            raise _NoGroups
        if top.bracket:
            top.divide(mark, place)
        else:
            top.branches[0].append(mark)

    def give_up(self) -> None:
        """No bracket that is open can be a group: all of them stand for themselves."""
        for opened in self.opened[1:]:
            if "|" in opened.between:
                raise _NoGroups
            self.opened[0].branches[0] += opened.spelt()
        del self.opened[1:]


def _taken(nodes: Nodes) -> Nodes:
    return [node for node in nodes if isinstance(node, Taken)]


def read_groups(text: str, taken: Sequence[Taken] = ()) -> Nodes:
    """The groups of a text, with what was taken out of it put back where it stood.

    Args:
        taken: in the order of their places.
    """
    if "]" not in text or not _MAY_CHANGE.search(text):
        return [text, *taken]
    try:
        reader = _Reader(text, taken)
        nodes = reader.read()
        spelt = _spelt(reader)
        return _Reader(text, taken, spelt).read() if spelt else nodes
    except _NoGroups:
        return [text, *taken]


def _spelt(reader: _Reader) -> set[int]:
    """Where brackets that could close a group stand for themselves.

    Beside brackets and colons that are in no group the tool's grammar has several readings. Its
    parser library (lark 1.3; older versions choose by chance) reads from the end, and takes marks
    that stand side by side as such, an odd number of them and as many as it can, where the last is
    in no group: in `[a:b:3]::` the bracket too, and then there is no change.
    """
    marks, groups, spelt = reader.marks, reader.groups, set[int]()
    index = len(marks) - 1
    while index >= 0:
        group = groups.get(marks[index])
        if group is not None:
            index = group.mark - 1
            continue
        run = 1
        while run <= index and marks[index - run] == marks[index] - run:
            beside = groups.get(marks[index - run])
            if beside is not None and beside.has_bars:
                break
            run += 1
        run -= run % 2 == 0
        spelt |= {place for place in marks[index - run + 1 : index + 1] if place in groups}
        index -= run
    return spelt
