"""Random numbers that samplers add on the way."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.errors import RequestError

Generators = torch.Generator | Sequence[torch.Generator] | None


def draw_noise(like: Tensor, generator: Generators) -> Tensor:
    """Normal noise of the shape, the dtype and on the device of `like`, shape (batch, ...).

    It is drawn on the generator's own device, so that a seed gives the same numbers everywhere. A
    list of generators draws one picture each.

    Raises:
        RequestError: the list has another length than the batch.
    """
    if generator is None or isinstance(generator, torch.Generator):
        return _draw(like.shape, generator, like.device, like.dtype)
    if len(generator) == 1:
        return _draw(like.shape, generator[0], like.device, like.dtype)
    if len(generator) != like.shape[0]:
        raise RequestError(
            f"{len(generator)} generators for a batch of {like.shape[0]}; give one, or one each"
        )
    shape = torch.Size([1, *like.shape[1:]])
    return torch.cat([_draw(shape, each, like.device, like.dtype) for each in generator])


def _draw(
    shape: torch.Size, generator: torch.Generator | None, device: torch.device, dtype: torch.dtype
) -> Tensor:
    source = device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=source, dtype=dtype).to(device)
