"""How much of its pictures the VAE takes at a time, so that it fits into the memory that is free.

All at once where that fits, else one picture at a time, which is the same but for rounding; else in
overlapping tiles, whose colours differ a little from the whole picture's.
"""

import errno
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.models import Autoencoder
from kakusan.runtime.memory import free_memory

# Values at a time for each pixel and each channel of the two widest of the finest levels, as
# `benchmarks.growth` measures it (3.7), and a little more
VALUES = 4
# A GPU's convolutions take scratch memory, as much as they are let
SCRATCH = 1.5
# Of the free memory: others take some too
SHARE = 0.8
SMALLEST_TILE = 128


class Portion(NamedTuple):
    """What the VAE takes at a time: so many pictures, in tiles of so many pixels or whole."""

    pictures: int
    tile: int | None


def pixel_bytes(vae: Autoencoder[Any], dtype: torch.dtype, device: torch.device) -> int:
    """What the VAE takes at its most for each pixel of a picture."""
    scratch = SCRATCH if device.type == "cuda" else 1.0
    return int(VALUES * scratch * vae.widest * dtype.itemsize)


def portions(
    vae: Autoencoder[Any],
    size: tuple[int, int, int],
    dtype: torch.dtype,
    device: torch.device,
    free: int | None,
) -> list[Portion]:
    """What to try, first what should fit; what comes after takes less.

    Args:
        size: number of pictures, height and width in pixels.
        dtype: what the VAE computes in.
        free: bytes; None where that is not known.

    Returns:
        Nothing where not even the smallest tiles fit.
    """
    pictures, height, width = size
    each = pixel_bytes(vae, dtype, device)
    whole, largest = height * width, max(height, width)
    tiles = [vae.tile // part for part in (1, 2, 4, 8)]
    tiles = [t for t in tiles if t < largest and (t >= SMALLEST_TILE or t == vae.tile)]
    found: list[tuple[int, Portion]] = []
    if vae.tiling is not True or vae.tile >= largest:
        found += [(pictures * whole, Portion(pictures, None)), (whole, Portion(1, None))]
    if vae.tiling is not False:
        found += [(tile * tile, Portion(1, tile)) for tile in tiles]
    if free is None:
        return [portion for _, portion in found]
    left = SHARE * free - pictures * whole * 3 * 4  # the results
    return [portion for pixels, portion in found if pixels * each <= left]


def check_fits(
    vae: Autoencoder[Any], size: tuple[int, int, int], dtype: torch.dtype, device: torch.device
) -> None:
    """Raise RequestError where the memory that is free will not do for decoding a picture."""
    free = free_memory(device)
    if free is None or portions(vae, (1, *size[1:]), dtype, device, free):
        return
    smallest = portions(vae, (1, *size[1:]), dtype, device, None)[-1]
    side = smallest.tile or max(size[1:])
    need = pixel_bytes(vae, dtype, device) * min(side * side, size[1] * size[2])
    need += size[1] * size[2] * 3 * 4
    hint = "; pipe.enable_vae_tiling() lets it take tiles" if vae.tiling is False else ""
    raise RequestError(
        f"decoding {size[2]} x {size[1]} pixels takes at least {_megabytes(need / SHARE)}, and "
        f"{_megabytes(free)} are free on {device}; draw a smaller picture, or free memory{hint}"
    )


def in_portions(
    x: Tensor,
    size: tuple[int, int, int],
    planned: list[Portion],
    run: Callable[[Tensor, int | None], Tensor],
) -> tuple[Tensor, int | None]:
    """What `run(rows, tile)` gives for all rows of `x`, in the first portions that memory does for.

    Returns:
        The result, and the side of the tiles in pixels, if it was in tiles.

    Raises:
        RequestError: Memory does for none of them.
    """
    for pictures, tile in planned:
        try:
            done = [run(rows, tile) for rows in x.split(pictures)]
            return done[0] if len(done) == 1 else torch.cat(done), tile
        except (RuntimeError, MemoryError, OSError) as error:
            if not _is_lack_of_memory(error):
                raise
    raise RequestError(
        f"there is not enough memory on {x.device} for {size[2]} x {size[1]} pixels in the VAE; "
        "draw a smaller picture, or free memory"
    )


def _is_lack_of_memory(error: Exception) -> bool:
    """Torch has a type for a GPU's; a CPU's is told by the text, and the system's by a number."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return "allocate memory" in str(error) or "out of memory" in str(error)


def _megabytes(count: float) -> str:
    return f"{count / 1e6:,.0f} MB"
