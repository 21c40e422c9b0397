"""What a prompt says when its grammar is read: texts, their weights, and when each holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Joined = Literal["guided", "blended", "chained"]
BREAK_TEXT, BREAK_WEIGHT = "BREAK", -1.0


class Segment(NamedTuple):
    """A stretch of text and its weight; `Segment("BREAK", -1.0)` begins a new chunk (webui)."""

    text: str
    weight: float = 1.0

    @property
    def is_break(self) -> bool:
        return self == BREAK


BREAK = Segment(BREAK_TEXT, BREAK_WEIGHT)


class Timed(NamedTuple):
    """What one side of a prompt is, up to and with denoiser call `until`, counted from 0.

    It holds from where the one before it ends; calls after the last one's belong to the last.
    `text` is what it was before weights were read.
    """

    until: int
    text: str
    segments: tuple[Segment, ...]


def at_call(schedule: Sequence[Timed], call: int) -> Timed:
    """Which of a schedule a denoiser call uses: the first that holds until then.

    Where none does, it is the first of all, as in AUTOMATIC1111 (calls are at most the last
    one's `until` in practice).
    """
    return next((timed for timed in schedule if call <= timed.until), schedule[0])


@dataclass(frozen=True)
class Part:
    """One side of an AND (webui), or of compel's `.blend` and `.and`, with its weight."""

    weight: float
    schedule: tuple[Timed, ...]


@dataclass(frozen=True)
class Network:
    """`<lora:name:text weight:UNet weight>`, `<hypernet:name:weight>`, and their like.

    `spans` are the first and the last denoiser call of each stretch in which it holds; None is
    throughout. `dyn` is the rank that its weights are cut to, where that is said. `arguments` is
    what stands behind the name, where the kind is one that nobody knows. `fault` says why it cannot
    be taken, where it is not written as it should be; nobody draws with it.
    """

    kind: str
    name: str
    text_weight: float = 1.0
    unet_weight: float = 1.0
    spans: tuple[tuple[int, int], ...] | None = None
    dyn: int | None = None
    arguments: tuple[str, ...] = ()
    fault: str | None = None


@dataclass(frozen=True)
class ParsedPrompt:
    """A prompt by the rules of one syntax.

    `joined` says what becomes of several parts: "guided" (u + sum of w * scale * (c - u), webui),
    "blended" (the weighted sum of their embeddings) or "chained" (one after the other), compel's.
    `normalized` is whether the weights of a blend are made to sum to 1.
    """

    syntax: str
    parts: tuple[Part, ...]
    networks: tuple[Network, ...] = ()
    joined: Joined = "guided"
    normalized: bool = True

    @property
    def boundaries(self) -> list[int]:
        """The last denoiser call of each stretch in which no part changes."""
        return sorted({timed.until for part in self.parts for timed in part.schedule})

    def at(self, call: int) -> list[tuple[float, Timed]]:
        """Each part's weight, and what it is at a denoiser call."""
        return [(part.weight, at_call(part.schedule, call)) for part in self.parts]

    def schedule(self) -> list[dict[str, Any]]:
        """`{"until": N, "parts": [{"weight": W, "segments": [[TEXT, WEIGHT], ...]}]}`, plain JSON.

        One for each stretch in which no part changes.
        """
        return [
            {
                "until": until,
                "parts": [
                    {"weight": weight, "segments": [list(each) for each in timed.segments]}
                    for weight, timed in self.at(until)
                ],
            }
            for until in self.boundaries
        ]
