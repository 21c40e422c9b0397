"""The denoising loop, for one picture or many: it asks, has the UNet answer, and hands out."""

from collections.abc import Callable, Iterator, MutableSequence, Sequence
from itertools import zip_longest
from typing import Protocol, TypeVar

from torch import Tensor

from kakusan.errors import NumericalError
from kakusan.models import UNetCall
from kakusan.sampling.state import ChainedState, TrajectoryState
from kakusan.sampling.step import Step

Predict = Callable[[Sequence[UNetCall]], list[Tensor]]


class Driven(Protocol):
    """What the loop takes to its end: a `Trajectory`, or several that follow each other."""

    pictures: range

    @property
    def step(self) -> Step | None:
        """The last one that was taken."""
        ...

    @property
    def error(self) -> NumericalError | None:
        """Why the way ended before its end."""
        ...

    @property
    def overflowed(self) -> bool:
        """Whether the UNet had to be asked in float32."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to ask."""
        ...

    @property
    def latents(self) -> Tensor:
        """Where it is now, shape (b, c, h, w)."""
        ...

    def ask(self) -> list[UNetCall]:
        """What the UNet is to be asked for the next step."""
        ...

    def take(self, predictions: list[Tensor]) -> bool:
        """Go on with the answers; whether a step was taken, or `error` ended the way."""
        ...

    def state(self) -> TrajectoryState | ChainedState | None:
        """All that decides how it goes on from here; None where that cannot be told."""
        ...

    def resume(self, state: TrajectoryState | ChainedState) -> None:
        """Go on from where another of the same request was.

        Raises:
            RequestError: That was another kind of way.
        """
        ...


DrivenT = TypeVar("DrivenT", bound=Driven)


def drive(live: MutableSequence[DrivenT], predict: Predict) -> Iterator[DrivenT]:
    """Take all trajectories of `live` to their ends, a step of each at a time.

    They may be of different requests: each has its own scheduler, steps, guidance and text. Between
    steps the reader may put others into `live`, or take some out. Those that are over leave it by
    themselves. What the reader does not take is not computed.

    Args:
        predict: what the UNet says to each call, as `kakusan.engine.Engine.predict`.

    Yields:
        Each trajectory after each of its steps, which is its `step`, and once if it failed, with
        its `error`; the others go on. One that has no step to take comes once.
    """
    while live:
        yield from one_round(live, predict)


def one_round(live: MutableSequence[DrivenT], predict: Predict) -> Iterator[DrivenT]:
    """A step of each trajectory of `live`; those that are over leave it.

    Where some have no step to take, these come at once, and the others take none.

    Args:
        predict: as `drive` takes it.

    Yields:
        As `drive` does.
    """
    without_steps = [each for each in live if each.is_over]
    if without_steps:
        live[:] = [each for each in live if not each.is_over]
        yield from without_steps
        return
    asked = [(trajectory, trajectory.ask()) for trajectory in live]
    # every trajectory's first call, then every one's second: as a batch lays them out
    columns = zip_longest(*([(t, c) for c in calls] for t, calls in asked))
    order = [pair for column in columns for pair in column if pair is not None]
    predictions = predict([call for _, call in order])
    answers: dict[int, list[Tensor]] = {id(trajectory): [] for trajectory, _ in asked}
    for (trajectory, _), prediction in zip(order, predictions, strict=True):
        answers[id(trajectory)].append(prediction)
    for trajectory, _ in asked:
        if not _holds(live, trajectory):  # taken out since it asked
            continue
        stepped = trajectory.take(answers[id(trajectory)])
        if trajectory.is_over:
            live[:] = [each for each in live if each is not trajectory]
        if stepped:
            yield trajectory


def _holds(live: Sequence[Driven], trajectory: Driven) -> bool:
    return any(each is trajectory for each in live)
