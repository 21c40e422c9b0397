"""The scenes of a training and their pictures: each of a seed of its own, drawn by all cores."""

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kakusan.builtin.recipe.crew import Crew
from kakusan.builtin.recipe.painter import Painter
from kakusan.builtin.recipe.scenes import Scene, training_scene

CHUNK = 64  # scenes that a process is asked for at a time
_TELLING = 256  # scenes by which an album is told from others
_SCENES = 1  # what the numbers of a scene's generator begin with, after the seed

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Album:
    """So many scenes of the first `things` objects, numbered, each always the same.

    Pictures are squares of `pixels`.
    """

    seed: int
    count: int
    things: int
    pixels: int

    def scene(self, index: int) -> Scene:
        """The scene with a number, whichever process asks for it."""
        rng = np.random.default_rng([self.seed, _SCENES, index])
        return training_scene(rng, self.things)

    def told(self) -> str:
        """What tells its scenes from all others, those of another recipe too."""
        first = [self.scene(index) for index in range(min(self.count, _TELLING))]
        return f"{self}, scenes {hashlib.sha256(repr(first).encode()).hexdigest()[:12]}"

    def chunks(self) -> list[range]:
        """The numbers of all scenes, as many at a time as a process draws."""
        starts = range(0, self.count, CHUNK)
        return [range(start, min(self.count, start + CHUNK)) for start in starts]

    def pictures(self, crew: Crew, *, ahead: int = 0) -> Iterator[Pictures]:
        """The pictures of all scenes in order, uint8 (n, pixels, pixels, 3).

        Drawing begins at once, and goes on for `ahead` scenes more than were taken.
        """
        draw = functools.partial(_drawn, self)
        return crew.map(draw, self.chunks(), ahead=-(-ahead // CHUNK))


def _drawn(album: Album, indices: range) -> Pictures:
    painter = _painter(album.pixels)
    return np.stack([painter.draw(album.scene(index)) for index in indices])


@functools.cache
def _painter(pixels: int) -> Painter:
    """One for each process, which keeps the glyphs that it has drawn."""
    return Painter(pixels)
