"""What every way to steer pictures is to a call that draws them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from kakusan.engine import Engine
from kakusan.inputs import Inputs
from kakusan.request import Request
from kakusan.sampling import Start, Steering
from kakusan.schedulers import Generators, Scheduler


class Completed(NamedTuple):
    """A request with what a way fills in, and lines for people on what was decided."""

    request: Request
    told: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a pipeline, when all of it is decided and no picture is begun.

    Attributes:
        request: with nothing left open.
        span: the numbers of the scheduler's timesteps that are gone through.
        total: how many of these there are.
        latents: the shape of the latents of all pictures, (n, c, h, w).
        scheduler: with its timesteps set.
    """

    engine: Engine
    request: Request
    inputs: Inputs
    span: range
    total: int
    latents: tuple[int, int, int, int]
    scheduler: Scheduler


class Prepared:
    """What a way has made ready for one call, once; a subclass overrides what it has to say.

    Attributes:
        notes: what the records are to say of it.
    """

    notes: Sequence[str] = ()

    def start(self, pictures: range, noise: Callable[[], Tensor]) -> Start | None:
        """Where the trajectory of these pictures begins; None for noise, or for another way to say.

        Args:
            noise: draws the first noise of these pictures, (b, c, h, w), when called. Who does not
                need it does not call it: random numbers are drawn in the reference's order.
        """
        del pictures, noise
        return None

    def steering(self, pictures: range, generator: Generators) -> Sequence[Steering]:
        """What acts on the trajectory of these pictures, which is its own.

        Args:
            generator: of their noise, of which the first has been drawn.
        """
        del pictures, generator
        return ()

    def finished(self, pictures: Sequence[int], pixels: Tensor) -> Tensor:
        """What becomes of the decoded pixels of these pictures, (n, 3, h, w) in [-1, 1]."""
        del pictures
        return pixels


class Way:
    """One way to steer; this one does nothing."""

    def check(self, request: Request, inputs: Inputs) -> None:
        """See all that can be seen before a model is loaded.

        Raises:
            InputError: What was handed in cannot be used, or is missing.
        """
        del request, inputs

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        """The request with what was left open, checked as far as no network has to run.

        Raises:
            InputError: What was handed in cannot be used, or not with this model.
        """
        del inputs, engine
        return Completed(request)

    def prepare(self, call: Call) -> Prepared | None:
        """What is the same for all steps and pictures, computed once; None where nothing is asked.

        Raises:
            NumericalError: A network gives NaN or infinity in float32 too.
        """
        del call
        return None
