"""Calls of the UNet that have as many rows whoever shares them, so that neighbours do not count.

How sums are rounded follows from the shape of a call. In one of a fixed shape a row is answered the
same to the bit wherever it stands and whatever stands beside it, which tests hold on a CPU for the
package's own kernels and for torch's.
"""

from collections.abc import Hashable, Iterator, Sequence

from torch import Tensor

from kakusan.engine.joining import together
from kakusan.models import UNetCall
from kakusan.sampling import Predict


def even(predict: Predict, rows: int) -> Predict:
    """The same answers, in calls of so many rows each; missing ones are copies of the first.

    Args:
        rows: at least 2. A question of several rows is answered as it is.
    """

    def answered(calls: Sequence[UNetCall]) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        for group in _alike(calls):
            for start in range(0, len(group), rows):
                some = group[start : start + rows]
                asked = [calls[index] for index in some]
                missing = 0 if len(asked[0].sample) > 1 else rows - len(asked)
                filled = [_apart(call) for call in [*asked, *asked[:1] * missing]]
                found |= zip(some, predict(filled), strict=False)
        return [found[index] for index in range(len(calls))]

    return answered


def _alike(calls: Sequence[UNetCall]) -> Iterator[list[int]]:
    """The numbers of those that one call answers, whose texts have one length."""
    for group in together(calls):
        lengths: dict[Hashable, list[int]] = {}
        for index in group:
            lengths.setdefault(calls[index].conditioning.tokens.shape[1:], []).append(index)
        yield from lengths.values()


def _apart(call: UNetCall) -> UNetCall:
    """With a timestep of its own: one that all rows have is embedded once."""
    return call._replace(timestep=call.timestep.clone())
