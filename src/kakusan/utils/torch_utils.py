"""`randn_tensor`, which pipelines that people write import from a module of this name."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.errors import RequestError, shown
from kakusan.schedulers import Generators, draw_noise

__all__ = ["randn_tensor"]


def randn_tensor(
    shape: Sequence[int],
    generator: Generators = None,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    layout: torch.layout | None = None,
) -> Tensor:
    """Standard normal noise, drawn where the generator is and moved to `device`.

    Raises:
        RequestError: A list of generators that is not as long as the batch, or a sparse layout.
    """
    if layout not in (None, torch.strided):
        raise RequestError(f"randn_tensor makes dense tensors, not {shown(layout)}")
    where = torch.device("cpu" if device is None else device)
    return draw_noise(shape, generator, dtype=dtype or torch.get_default_dtype(), device=where)
