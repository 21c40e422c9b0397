"""The pictures of an album as tensors, drawn by all cores while something else is learnt."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kakusan.builtin.recipe.album import CHUNK, Album
from kakusan.builtin.recipe.crew import Crew


class Exposures:
    """Every picture is drawn once, in order.

    Args:
        album: the scenes.
        crew: draws them.
        first: so many are kept on `device` until `all` has given them.
        ahead: so many may wait in memory.
        device: of the first ones.
    """

    def __init__(
        self, album: Album, crew: Crew, *, first: int, ahead: int, device: torch.device
    ) -> None:
        self._album = album
        self._crew = crew
        self._count = min(first, album.count)
        self._ahead = ahead
        self._device = device
        self._first: Tensor | None = None
        self._drawn: Iterator[npt.NDArray[np.uint8]] | None = None

    def begin(self) -> None:
        """Begin to draw; the first that is wanted begins it too."""
        if self._drawn is None:
            self._drawn = self._album.pictures(self._crew, ahead=self._ahead)

    def first(self) -> Tensor:
        """The first ones, uint8 (n, height, width, 3)."""
        if self._first is None:
            chunks = [next(self._rest()) for _ in range(-(-self._count // CHUNK))]
            self._first = torch.cat([chunk.to(self._device) for chunk in chunks])
        return self._first

    def all(self) -> Iterator[Tensor]:
        """All of them, some at a time; once."""
        if self._first is not None:
            yield from self._first.split(CHUNK)
            self._first = None
        yield from self._rest()

    def _rest(self) -> Iterator[Tensor]:
        self.begin()
        assert self._drawn is not None
        return map(torch.from_numpy, self._drawn)
