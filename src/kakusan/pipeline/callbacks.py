"""`callback_on_step_end`: a caller's function that sees and changes what a step leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, cast

from torch import Tensor

from kakusan.errors import ArgumentError, RequestError, nearest, shown


@dataclass(frozen=True)
class StepCallback:
    """A caller's function with the names of the tensors that it is shown.

    Attributes:
        listed: whether pictures that steer come in a list, as those of several networks.
    """

    function: Callable[[Any, int, Tensor, dict[str, Any]], Any]
    shown: Sequence[str]
    listed: bool = False

    @classmethod
    def of(
        cls,
        function: Callable[..., Any] | None,
        inputs: Sequence[str] | None,
        known: Sequence[str],
        *,
        listed: bool = False,
    ) -> Self | None:
        """The checked callback; None where the caller has none.

        A callback that has `tensor_inputs`, as the reference's own have, says itself what it is
        shown.

        Args:
            known: The tensors of the loop.
            listed: See the attributes.

        Raises:
            RequestError: Not a function, or a name that is no tensor of the loop.
        """
        names: object = getattr(function, "tensor_inputs", inputs or ())
        several = names if isinstance(names, Sequence) and not isinstance(names, str) else [names]
        for name in cast("Sequence[object]", several):
            if name not in known:
                found = nearest(str(name), known)
                raise RequestError(
                    f"callback_on_step_end_tensor_inputs has no {shown(name)}.{found}"
                )
        if function is not None and not callable(function):
            raise RequestError(f"callback_on_step_end must be a function, not {shown(function)}")
        return None if function is None else cls(function, cast("Sequence[str]", several), listed)

    @classmethod
    def of_call(
        cls,
        function: Callable[..., Any] | None,
        inputs: Sequence[str] | None,
        older: Callable[..., Any] | None,
        every: object,
        known: Sequence[str],
        *,
        listed: bool = False,
    ) -> Self | None:
        """The callback that a call was given, in its newer or its older form.

        Raises:
            RequestError: Both were given, or one that `of` or `of_old` refuses.
        """
        if function is not None and older is not None:
            raise ArgumentError("give {callback_on_step_end} or the older {callback}, not both")
        found = cls.of_old(older, every)
        return cls.of(function, inputs, known, listed=listed) or found

    @classmethod
    def of_old(cls, function: Callable[..., Any] | None, every: object) -> Self | None:
        """The older form of a callback: a function (index, timestep, latents), every so many steps.

        It is not called for calls of the UNet that only begin a step: Heun's first of each two, and
        the one that PNDM begins with.

        Raises:
            RequestError: Not a function, or not a whole number of steps above 0.
        """
        steps = 1 if every is None else every
        if type(steps) is not int or steps < 1:
            raise RequestError(f"callback_steps must be a whole number above 0, not {shown(every)}")
        if function is None:
            return None
        if not callable(function):
            raise RequestError(f"callback must be a function, not {shown(function)}")

        def called(owner: Any, index: int, timestep: Tensor, tensors: dict[str, Any]) -> None:
            scheduler, done = owner.scheduler, index + 1
            first = len(scheduler.timesteps) - scheduler.num_inference_steps * scheduler.order
            ends = done > first and done in scheduler.starts
            if index % steps == 0 and (ends or done == owner.num_timesteps):
                function(index // scheduler.order, timestep, tensors["latents"])

        return cls(called, ("latents",))
