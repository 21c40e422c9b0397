"""The call that runs: what scripts read and change of it on the pipeline, as in the reference.

There, a call leaves its settings in the pipeline, and a callback changes them there. Here they
belong to the call, so that one pipeline serves many threads; the pipeline's properties speak of the
call that runs in the thread which asks, or else of its last one.
"""

import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Self, TypeVar, overload
from weakref import WeakKeyDictionary

from kakusan.errors import RequestError, shown
from kakusan.request import MAX_GUIDANCE
from kakusan.sampling import Guidance
from kakusan.schedulers import Scheduler

ValueT = TypeVar("ValueT")


@dataclass(eq=False)
class RunningCall:
    """What of one call can be seen from outside it.

    Attributes:
        guidance: of the next step of the picture that a callback is called for.
        scheduler: with the timesteps of the call.
        span: which of them are gone through.
        denoising_start, denoising_end: of the call, as given.
        interrupt: whether it was asked to stop after this step.
        in_callback: whether the caller's function runs now.
    """

    guidance: Guidance = field(default_factory=Guidance)
    clip_skip: int | None = None
    lora_scale: float | None = None
    scheduler: Scheduler[Any] | None = None
    span: range = range(0)
    denoising_start: float | None = None
    denoising_end: float | None = None
    interrupt: bool = False
    in_callback: bool = False

    @property
    def cross_attention_kwargs(self) -> dict[str, float] | None:
        """As the call was given them."""
        return None if self.lora_scale is None else {"scale": self.lora_scale}

    @property
    def num_timesteps(self) -> int:
        """Of one picture; 0 where nothing was called."""
        return len(self.span)


Calls = WeakKeyDictionary[object, RunningCall]
# This thread's call of each pipeline, running or the last
_OWN: ContextVar[Calls | None] = ContextVar("calls", default=None)
# Of each pipeline, in the order in which they began
_RUNNING: WeakKeyDictionary[object, list[RunningCall]] = WeakKeyDictionary()


@contextmanager
def running(pipeline: object, call: RunningCall) -> Generator[RunningCall, None, None]:
    """Have the pipeline's properties speak of `call`; one around it has its turn afterwards."""
    outer = _own(pipeline)
    _RUNNING.setdefault(pipeline, []).append(call)
    _make_own(pipeline, call)
    try:
        yield call
    finally:
        _RUNNING[pipeline].remove(call)
        if outer is not None and outer in _RUNNING[pipeline]:
            _make_own(pipeline, outer)


def call_of(pipeline: object) -> RunningCall | None:
    """This thread's call of a pipeline, or else the last one that runs in another."""
    own = _own(pipeline)
    if own is not None:
        return own
    return next(reversed(_RUNNING.get(pipeline, ())), None)


def callback_of(pipeline: object) -> RunningCall | None:
    """This thread's call of a pipeline, if its callback runs now."""
    own = _own(pipeline)
    return own if own is not None and own.in_callback else None


def interrupt_calls(pipeline: object, stopped: bool) -> None:
    """Stop this thread's call after its step, or from another thread every one that runs."""
    calls, own = _RUNNING.get(pipeline, []), _own(pipeline)
    for call in [own] if own is not None and own in calls else list(calls):
        call.interrupt = stopped


def set_scale(pipeline: object, scale: Any) -> None:
    """Change the guidance scale of the next step; see `_set_guidance`."""
    _set_guidance(pipeline, "scale", scale, MAX_GUIDANCE)


def set_rescale(pipeline: object, rescale: Any) -> None:
    """Change the guidance rescale of the next step; see `_set_guidance`."""
    _set_guidance(pipeline, "rescale", rescale, 1.0)


def _set_guidance(pipeline: object, name: str, value: Any, highest: float) -> None:
    """Change a number of the guidance of the next step.

    Raises:
        RequestError: Outside a callback, or not a number in range.
    """
    call = callback_of(pipeline)
    if call is None:
        raise RequestError(
            f"_guidance_{name} belongs to a call: give guidance_{name} to the call, or change "
            f"pipe._guidance_{name} inside callback_on_step_end"
        )
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0.0 <= number <= highest:
        raise RequestError(
            f"_guidance_{name} must be a number from 0 to {highest:g}, not {shown(value)}"
        )
    call.guidance = replace(call.guidance, **{name: number})


class OfTheCall(Generic[ValueT]):
    """A property of a pipeline that speaks of this thread's call of it, running or the last.

    Args:
        read: from the call; before the first, from one with nothing given.
        change: what assigning does; without it there is nothing to assign.
    """

    def __init__(
        self,
        read: Callable[[RunningCall], ValueT],
        change: Callable[[object, Any], None] | None = None,
    ) -> None:
        self._read, self._change = read, change
        self._name = ""

    def __set_name__(self, owner: object, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, pipeline: None, owner: object = None) -> Self: ...
    @overload
    def __get__(self, pipeline: object, owner: object = None) -> ValueT: ...
    def __get__(self, pipeline: object | None, owner: object = None) -> ValueT | Self:
        if pipeline is None:  # asked of the class, as by `hasattr` and what makes documentation
            return self
        return self._read(call_of(pipeline) or RunningCall())

    def __set__(self, pipeline: object, value: Any) -> None:
        if self._change is None:
            raise RequestError(
                f"{self._name} only tells of a call, and cannot be set; a callback may set "
                "_guidance_scale, _guidance_rescale and _interrupt"
            )
        self._change(pipeline, value)


def check_between_calls(pipeline: object, part: str) -> None:
    """Raise RequestError where a callback exchanges a part of the pipeline that runs."""
    if callback_of(pipeline) is not None:
        raise RequestError(
            f"a call draws with the parts that it began with; exchange {part} between calls, not "
            "inside callback_on_step_end"
        )


def _own(pipeline: object) -> RunningCall | None:
    calls = _OWN.get()
    return None if calls is None else calls.get(pipeline)


def _make_own(pipeline: object, call: RunningCall) -> None:
    # a new mapping: threads and tasks that began here have the old one
    calls = Calls(_OWN.get() or {})
    calls[pipeline] = call
    _OWN.set(calls)
