"""Two ways that follow each other, as one: a second pass begins where the first ends."""

from collections.abc import Callable

from torch import Tensor

from kakusan.errors import NumericalError, RequestError
from kakusan.models import UNetCall
from kakusan.sampling.loop import Driven
from kakusan.sampling.state import ChainedState, TrajectoryState
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
        self._overflowed = False
        self._between: Tensor | None = None
        if first.is_over:
            self._go_on(first.latents)

    @property
    def step(self) -> Step | None:
        return self._now.step or self._first.step

    @property
    def error(self) -> NumericalError | None:
        return self._error or self._now.error

    @property
    def overflowed(self) -> bool:
        return self._overflowed or self._first.overflowed or self._now.overflowed

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
                self._go_on(self._first.latents)
            except NumericalError as error:
                self._error = error
        return was_taken

    def state(self) -> ChainedState | None:
        now = self._now.state()
        if not isinstance(now, TrajectoryState):
            return None
        return ChainedState(now, self._between, self._first.overflowed)

    def resume(self, state: TrajectoryState | ChainedState) -> None:
        if not isinstance(state, ChainedState):
            raise RequestError("a way in two passes cannot go on from a state of one pass")
        self._overflowed = state.overflowed
        if state.first is not None:
            self._go_on(state.first)
        self._now.resume(state.now)

    @property
    def _is_stopped(self) -> bool:
        step = self._first.step
        return self._first.error is not None or (step is not None and step.stop)

    def _go_on(self, first: Tensor) -> None:
        self._between = first
        self._now, self.is_second = self._then(first), True
