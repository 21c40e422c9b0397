"""What a drawing tells of its progress to who wants more than a bar."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

# Takes how much is done, from 0 to 1, and what is being done, in a few words
OnProgress = Callable[[float, str], object]


class Told:
    """Counts steps as a bar of tqdm does, and tells them.

    Args:
        tell: is called at the beginning and after each step.
        total: steps of all pictures.
        pictures: that are drawn one after the other.
        word: for one of them.
    """

    def __init__(self, tell: OnProgress, total: int, pictures: int, word: str = "picture") -> None:
        self.tell, self.total, self.pictures, self.done = tell, total, pictures, 0
        self.word = word

    def update(self, steps: int) -> None:
        self.done += steps
        if not self.total:
            self.tell(0.0, "decoding")
            return
        each = self.total // self.pictures
        picture = min(max(0, self.done - 1) // each, self.pictures - 1)
        step = self.done - picture * each
        words = "decoding" if step == each else f"step {step} of {each}"
        if self.pictures > 1:
            words = f"{self.word} {picture + 1} of {self.pictures}, {words}"
        self.tell(self.done / self.total, words)

    def __enter__(self) -> Self:
        self.update(0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is to be cleared."""
