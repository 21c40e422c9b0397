"""Two ways that follow each other, as one: a second pass begins where the first ends."""

from collections.abc import Callable

from torch import Tensor

from kakusan.errors import NumericalError
from kakusan.models import UNetCall
from kakusan.sampling.loop import Driven
from kakusan.sampling.step import Step


class Chained:
    """The way of one picture, or of those that share a generator, in two passes.

    Args:
        first: where it is stopped on its way, there is no second pass.
        then: makes the second pass of the clean latents that the first ends with, when it does.

    Attributes:
        is_second: whether the first is over.

    Raises:
        NumericalError: The first has no step, and there is no way on from it.
    """

    def __init__(self, first: Driven, then: Callable[[Tensor], Driven]) -> None:
        self.pictures = first.pictures
        self.is_second = False
        self._first, self._then, self._now = first, then, first
        self._error: NumericalError | None = None
        if first.is_over:
            self._go_on()

    @property
    def step(self) -> Step | None:
        return self._now.step or self._first.step

    @property
    def error(self) -> NumericalError | None:
        return self._error or self._now.error

    @property
    def overflowed(self) -> bool:
        return self._first.overflowed or self._now.overflowed

    @property
    def is_over(self) -> bool:
        return self._error is not None or self._now.is_over

    @property
    def latents(self) -> Tensor:
        return self._now.latents

    def ask(self) -> list[UNetCall]:
        return self._now.ask()

    def take(self, predictions: list[Tensor]) -> bool:
        was_taken = self._now.take(predictions)
        if was_taken and not self.is_second and self._first.is_over and not self._is_stopped:
            try:
                self._go_on()
            except NumericalError as error:
                self._error = error
        return was_taken

    @property
    def _is_stopped(self) -> bool:
        step = self._first.step
        return self._first.error is not None or (step is not None and step.stop)

    def _go_on(self) -> None:
        self._now, self.is_second = self._then(self._first.latents), True
