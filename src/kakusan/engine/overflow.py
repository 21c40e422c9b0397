"""Half precision overflows in some published networks (the VAE of several, the UNet of v2.1).

What it overflowed in is computed again in float32: those rows alone, so that a picture is the same
beside others as on its own.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from kakusan.errors import NumericalError
from kakusan.models import Model

Run = Callable[[Any, Tensor], Tensor]
Use = Callable[[nn.Module], AbstractContextManager[None]]


class Computed(NamedTuple):
    """What a network gave, a row for each of its inputs.

    Attributes:
        result: shape (batch, ...), all finite.
        note: says that float32 was needed, else None.
        upcast: of each row, whether float32 was needed for it.
    """

    result: Tensor
    note: str | None
    upcast: tuple[bool, ...]


def compute(name: str, network: Model[Any], run: Run, x: Tensor, use: Use) -> Computed:
    """What `run(network, x)` gives; rows with NaN or infinity are those of the float32 copy.

    Args:
        name: of the network, for people.
        x: shape (batch, ...); each row of the result depends on that row alone.
        use: has a network on the device for as long as it computes.

    Raises:
        NumericalError: A row is not finite in float32 either.
    """
    with use(network):
        result = run(network, x)
        finite = finite_rows(result)
        if all(finite):
            return Computed(result, None, (False,) * len(finite))
        if network.compute_dtype.itemsize >= 4:
            raise NumericalError.of(name)
        precise = network.upcast()
    bad = torch.tensor([not each for each in finite], device=x.device)
    with use(precise):
        again = run(precise, x[bad])
    if not all(finite_rows(again)):
        raise NumericalError.of(name)
    result[bad] = again.to(result.dtype)
    return Computed(
        result, overflow_note(name, network.compute_dtype), tuple(not each for each in finite)
    )


def finite_rows(x: Tensor) -> list[bool]:
    """Of each row, whether all of it is finite; waits for a device that queues."""
    return torch.isfinite(x).flatten(1).all(dim=1).tolist()


def overflow_note(name: str, dtype: torch.dtype) -> str:
    """What a record says of a network that had to compute in float32."""
    return f"{name} computed in float32: {str(dtype).removeprefix('torch.')} overflowed"
