"""A run through timesteps, and the place in it that a step is taken from."""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple, Self, cast

import torch
from torch import Tensor

from kakusan.errors import RequestError, shown

Timestep = Tensor | float


class _Taken(NamedTuple):
    """The last step: its place, and the history that it began with."""

    place: int
    history: Any


class RunState(NamedTuple):
    """Where a run is: what `resume` makes another run of the same timesteps go on from."""

    step_index: int | None
    begin_index: int | None
    history: Any


class Run:
    """Timesteps in order, how many of them are done, and what that left for the next.

    What belongs to a run is replaced, never changed in place, so `fresh()` gives each thread a run
    of its own.

    Attributes:
        order: model calls per noise level.
        timesteps: what the model is told, from noisy to clean.
        schedule: `timesteps` as numbers: reading a tensor on a GPU waits for all that is queued.
        num_inference_steps: None before `set_timesteps`.
        history: what earlier steps leave for later ones; the class has what a run begins with.
    """

    order: ClassVar[int] = 1

    timesteps: Tensor
    schedule: list[float]
    num_inference_steps: int | None
    history: Any = ()
    _planned: Tensor  # `timesteps` as `set_timesteps` left it
    _step_index: int | None  # of the next step; None before the first, which may be any
    _begin_index: int | None
    _taken: _Taken | None

    @property
    def starts(self) -> Sequence[int]:
        """The indices in `timesteps` of the calls that begin a step, rising."""
        return range(0, len(self.schedule), self.order)

    def start_of(self, step: int) -> int:
        """The index in `timesteps` at which a run of its later steps alone begins.

        Args:
            step: how many steps of `num_inference_steps` are left out.
        """
        return self.starts[step] if step < len(self.starts) else len(self.schedule)

    @property
    def level_timesteps(self) -> list[float] | None:
        """The timesteps that the way may be parted at, where a part has steps of its own.

        None where a part of the way is some of the whole's steps.
        """
        return None

    def plan_part(self, first: int, end: int) -> None:
        """Plan the run through a part of `level_timesteps` alone; the last of all is its end.

        Raises:
            RequestError: parts have no steps of their own.
        """
        raise RequestError(f"{type(self).__name__} begins midway with fresh({first}), until {end}")

    @property
    def step_index(self) -> int | None:
        """The index in `timesteps` of the next step; None before the first, and without a count."""
        return self._step_index

    @property
    def begin_index(self) -> int | None:
        """Where `set_begin_index` has the run begin; None where the first step decides."""
        return self._begin_index

    def set_begin_index(self, begin_index: int = 0) -> None:
        """Begin the run again, at this index of `timesteps`.

        Raises:
            RequestError: no step begins there.
        """
        self._check_start(begin_index)
        self._begin_run()
        self._begin_index = begin_index

    def fresh(self, start: int = 0) -> Self:
        """The same scheduler and timesteps, in a run that nobody else has.

        Args:
            start: index in `timesteps` of the first step; earlier ones count as not taken, so that
                a run which starts midway has no history.

        Raises:
            RequestError: no step begins at `start`.
        """
        self._check_start(start)
        run = copy.copy(self)
        run._begin_run(start)
        return run

    def state(self) -> RunState:
        """Where the run is, between two steps."""
        return RunState(self._step_index, self._begin_index, self.history)

    def resume(self, state: RunState) -> None:
        """Go on from where another run of the same timesteps was.

        Raises:
            RequestError: that was a longer one.
        """
        if state.step_index is not None and state.step_index > len(self.schedule):
            raise RequestError(
                f"the state is of step {state.step_index}, and this run has {len(self.schedule)}"
            )
        self._step_index, self._begin_index, self.history = state
        self._taken = None

    def _check_start(self, start: int) -> None:
        if start not in self.starts:
            raise RequestError(f"start is {start}; allowed: {self._said_starts()}")

    def _said_starts(self) -> str:
        if not isinstance(self.starts, range):
            return ", ".join(map(str, self.starts))
        of = f", a multiple of {self.order}" if self.order > 1 else ""
        return f"0 to {len(self.schedule) - 1}{of}"

    def _keep_timesteps(self, device: torch.device | str | None) -> None:
        """Take `timesteps` as the run's, and begin it."""
        self.schedule = cast("list[float]", self.timesteps.tolist())
        timesteps = self.timesteps
        if torch.device(device or "cpu").type == "mps" and timesteps.dtype == torch.float64:
            timesteps = timesteps.float()  # which is all that it has
        self._planned = self.timesteps = timesteps.to(device)
        self._begin_run()

    def _begin_run(self, start: int = 0) -> None:
        """Forget what earlier steps left behind."""
        self.history = type(self).history
        self._step_index = start or None
        self._begin_index = None
        self._taken = None

    def _steps_of_run(self) -> int:
        if self.num_inference_steps is None:
            raise RequestError("no run has begun; call set_timesteps(steps) before step")
        return self.num_inference_steps

    def _go_to(self, timestep: Timestep) -> int:
        """Make this timestep's step the next, and say its index.

        It is the run's next, or its last once more, which is then as if it had not been taken: so
        a program may look at what a step gives before it takes it.

        Raises:
            RequestError: the run is over, or elsewhere.
        """
        index = self._place(timestep)
        if self._taken is not None and self._taken.place == index:
            self.history = self._taken.history
        self._step_index = index
        return index

    def _moved_on(self, history: Any) -> None:
        """Count the step that was taken, which began with this history."""
        if self._step_index is not None:
            self._taken = _Taken(self._step_index, history)
            self._step_index += 1

    def _place(self, timestep: Timestep) -> int:
        """The index of the step that `timestep` may begin now, see `_go_to`."""
        found, here = self._found(timestep), self._step_index
        if here is None:
            return self._beginning(found)
        if here in found:
            return here
        if self._taken is not None and found == [self._taken.place]:
            return self._taken.place
        if here >= len(self.schedule):
            raise RequestError("the run is over; call set_timesteps to begin another")
        raise RequestError(
            f"timestep {_number(timestep):g} is not the run's next, {self.schedule[here]:g}; take "
            "one step from each of timesteps in their order, and begin midway with fresh(start)"
        )

    def _beginning(self, found: list[int]) -> int:
        """Which of these places, all of one timestep, a run begins at."""
        index = self._likeliest(found)
        if self._begin_index not in (None, index) or index not in self.starts:
            wanted = self._begin_index or f"one of {self._said_starts()}"
            raise RequestError(
                f"the first step is at index {index} of timesteps; it must be at {wanted}"
            )
        return index

    def _likeliest(self, found: list[int]) -> int:
        """Which of these places, all of one timestep, is meant."""
        for known in (self._step_index, self._begin_index):
            if known in found:
                return known
        # Of several calls at one level, one begins a step, and so may begin a run
        if self.order > 1:
            return next((each for each in found if each in self.starts), found[0])
        # Of PNDM's pair the second. A run from the top begins at the top, though timesteps repeat.
        return found[1] if len(found) > 1 and found[0] > 0 else found[0]

    def _found(self, timestep: Timestep) -> list[int]:
        """Where the run has a timestep; of equal ones in `timesteps`, where the given one lies.

        Raises:
            RequestError: it is not one of this run's.
        """
        if isinstance(timestep, Tensor):
            index = _place_within(timestep, self._planned)
            if index is not None:
                return [index]
        value = _number(timestep)
        found = [index for index, each in enumerate(self.schedule) if each == value]
        if not found:  # made float32 for a device that lacks float64
            rounded = torch.tensor(self.schedule, dtype=torch.float32, device="cpu").tolist()
            found = [index for index, each in enumerate(rounded) if each == value]
        if not found:
            raise RequestError(
                f"timestep {value:g} is not one of this run's timesteps; they are in "
                f"{type(self).__name__}.timesteps"
            )
        return found


def _number(timestep: Timestep) -> float:
    try:
        return float(timestep)
    except (TypeError, ValueError, RuntimeError):
        raise RequestError(f"timestep is {shown(timestep)}; give one of timesteps") from None


def _place_within(element: Tensor, whole: Tensor) -> int | None:
    """The place of an element in the tensor that it is a view of; None if it is no view of it.

    On a GPU this does not read the element, which would wait for all that is queued there.
    """
    if element.numel() != 1 or element.dtype != whole.dtype:
        return None
    if element.untyped_storage().data_ptr() != whole.untyped_storage().data_ptr():
        return None
    return int(element.storage_offset() - whole.storage_offset())
