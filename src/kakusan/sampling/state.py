"""Where a picture's way is: what has to be kept, so that another process can go on with it."""

from typing import NamedTuple

from torch import Tensor

from kakusan.schedulers.noise import Position
from kakusan.schedulers.run import RunState


class TrajectoryState(NamedTuple):
    """A trajectory between two steps.

    Attributes:
        step: the number of the next one.
        latents: where it is, shape (b, c, h, w).
        run: of its scheduler.
        noise: where the generators are that its steps draw from; empty where they draw nothing.
        overflowed: whether the UNet had to be asked in float32.
    """

    step: int
    latents: Tensor
    run: RunState
    noise: tuple[Position, ...] = ()
    overflowed: bool = False


class ChainedState(NamedTuple):
    """Two ways that follow each other.

    Attributes:
        now: of the one that is under way.
        first: what the first one ended with; None while it is under way.
        overflowed: whether the UNet had to be asked in float32 in the first one.
    """

    now: TrajectoryState
    first: Tensor | None = None
    overflowed: bool = False
