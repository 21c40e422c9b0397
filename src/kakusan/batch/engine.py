"""What draws rows, wherever it does: all that a run knows of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from kakusan.batch.row import Finished, Row

# Is told the number of a row whose drawing begins
Begun = Callable[[int], object]


class Engine(Protocol):
    """Draws rows. Files, manifests and the order of rows are none of its business."""

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        """Each row once, in any order, as soon as it is finished.

        What goes wrong with one row is told by its status, and the others go on.
        """
        ...
