"""When a prompt is which text: the denoiser calls that `[from:to:when]` and `[a|b]` name."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from kakusan.errors import RequestError
from kakusan.prompts.groups import Change, Group, Nodes, Taken, Turns, read_groups

# Characters times texts: what is read in seconds. A megabyte may change 60 times.
_MOST = 64_000_000


class Moment(NamedTuple):
    """A text up to and with denoiser call `until`, and what of that taken out stood in it."""

    until: int
    text: str
    taken: tuple[int, ...]


@dataclass(frozen=True)
class Timeline:
    """How the number in `[from:to:when]` is counted.

    Args:
        steps: of the pass that the prompt is read for.
        before: the steps of the pass in front of it; None where it is the first.
        old: as AUTOMATIC1111 before 1.6: below 1 it is a fraction, and in both passes the same.
    """

    steps: int
    before: int | None = None
    old: bool = False

    def until(self, when: str) -> int:
        """The last denoiser call before the change; there is none if it is below 1."""
        value = float(when)
        if self.old:
            value = value * self.steps if value < 1 else value
        elif "." in when:
            value = (value - (0.0 if self.before is None else 1.0)) * self.steps
        else:
            value -= self.before or 0
        return int(max(-1.0, min(self.steps, value)))

    def moments(self, text: str, taken: Sequence[Taken] = ()) -> list[Moment]:
        """Every text that a prompt is, in the order of time; the last one's `until` is `steps`.

        Raises:
            RequestError: There are too many of too long a text.
        """
        nodes = read_groups(text, taken)
        untils = sorted({self.steps, *self._boundaries(nodes)})
        if len(untils) * len(text) > _MOST:
            raise RequestError(
                f"the prompt has {len(text)} characters and is {len(untils)} texts, one after "
                "the other; make it shorter, or take [from:to:when] and [a|b] out"
            )
        seen: dict[str, str] = {}
        return [
            Moment(until, seen.setdefault(said, said), held)
            for until in untils
            for said, held in [self._at(nodes, until)]
        ]

    def _boundaries(self, nodes: Nodes) -> Iterator[int]:
        turns = False
        waiting = [nodes]
        while waiting:
            for node in waiting.pop():
                if isinstance(node, Group):
                    waiting.append(node.inside)
                elif isinstance(node, Turns):
                    turns = True
                    waiting += node.branches
                elif isinstance(node, Change):
                    waiting += (node.first, node.second)
                    yield max(self.until(node.when), 0) or self.steps
        if turns:
            yield from range(1, self.steps + 1)

    def _at(self, nodes: Nodes, call: int) -> tuple[str, tuple[int, ...]]:
        """The text in a stretch that ends with `call`, and what stood in it."""
        texts: list[str] = []
        taken: list[int] = []
        waiting = [iter(nodes)]
        while waiting:
            for node in waiting[-1]:
                if isinstance(node, str):
                    texts.append(node)
                elif isinstance(node, Taken):
                    taken.append(node.number)
                else:
                    waiting.append(iter(self._chosen(node, call)))
                    break
            else:
                waiting.pop()
        return "".join(texts), tuple(taken)

    def _chosen(self, node: Change | Turns | Group, call: int) -> Nodes:
        if isinstance(node, Group):
            return node.inside
        if isinstance(node, Turns):
            return node.branches[(call - 1) % len(node.branches)]
        return node.first if call <= self.until(node.when) else node.second
