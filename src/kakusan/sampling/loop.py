"""The denoising loop, for one picture or many: it asks, has the UNet answer, and hands out."""

from collections.abc import Callable, Iterator, MutableSequence, Sequence
from itertools import zip_longest

from torch import Tensor

from kakusan.models import UNetCall
from kakusan.sampling.trajectory import Trajectory

Predict = Callable[[Sequence[UNetCall]], list[Tensor]]


def drive(live: MutableSequence[Trajectory], predict: Predict) -> Iterator[Trajectory]:
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
        without_steps = [each for each in live if each.is_over]
        if without_steps:
            live[:] = [each for each in live if not each.is_over]
            yield from without_steps
            continue
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


def _holds(live: Sequence[Trajectory], trajectory: Trajectory) -> bool:
    return any(each is trajectory for each in live)
