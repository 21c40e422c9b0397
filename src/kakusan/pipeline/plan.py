"""What drawing with a model takes of memory, told before its weights are read, and what is done.

Where there is room enough, all of it is held at once. Where there is less, the parts of a model
take turns, the VAE decodes in tiles, and weights are stored in float16; what cannot fit is refused.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from kakusan.engine.needs import unet_bytes
from kakusan.engine.parts import USUAL_SCALE
from kakusan.engine.portions import pixel_bytes, portions
from kakusan.errors import RequestError
from kakusan.models import Autoencoder, Model, Steerer, UNet2DConditionModel
from kakusan.pipeline.container import Container, Shape
from kakusan.pipeline.loading import Loading
from kakusan.pipeline.parts import Layout
from kakusan.pipeline.scheduling import asks_for_both_sides
from kakusan.request import Request
from kakusan.runtime import kernels
from kakusan.runtime.memory import free_memory, is_measured
from kakusan.runtime.precision import compute_dtype

# Sizes that are tried in place of one that does not fit, as parts of it
SMALLER = (0.875, 0.75, 0.625, 0.5, 0.375, 0.25)
STEP = 64  # pixels that they are multiples of


class Need(NamedTuple):
    """Bytes that a run takes on a device.

    Attributes:
        most: where there is room for all at once.
        least: where parts take turns.
    """

    most: int
    least: int


@dataclass(frozen=True)
class Plan:
    """What a run needs, what is free, and what is done about it.

    Attributes:
        need: on `device`.
        free: there, in bytes; None where that is not known.
        dtype: what weights are stored in.
        chosen: whether that is for lack of memory, and not as the user or the device wants it.
        tile: the side of the tiles in pixels that the VAE is likely to decode in; None for whole
            pictures.
    """

    size: tuple[int, int]
    device: torch.device
    need: Need
    free: int | None
    dtype: torch.dtype
    chosen: bool
    tile: int | None

    @property
    def takes_turns(self) -> bool:
        """Whether the parts cannot all be held at once."""
        return self.free is not None and self.need.most > self.free

    @property
    def fits(self) -> bool:
        return self.free is None or self.need.least <= self.free

    def __str__(self) -> str:
        """One line, for whoever draws."""
        where = "" if self.device.type == "cpu" else f" on {self.device}"
        free = "" if self.free is None else f", {gigabytes(self.free)} are free{where}"
        if not self.takes_turns:
            text = f"memory: needs {gigabytes(self.need.most)}{free}"
        else:
            text = (
                f"memory: needs {gigabytes(self.need.most)}, at least "
                f"{gigabytes(self.need.least)}{free}"
            )
        done = ["the model's parts take turns"] if self.takes_turns else []
        if self.tile is not None:
            done.append(f"the VAE decodes in tiles of {self.tile} pixels")
        if self.chosen:
            done.append(f"weights are stored in {_name(self.dtype)}")
        return f"{text}: {', '.join(done)}" if done else text


def shapes_of(container: Container, layout: Layout, loading: Loading) -> list[Shape] | None:
    """The networks of a model as its files describe them; None where these do not tell.

    Raises:
        CheckpointError: A file is missing, broken, or not what it claims to be.
    """
    found: list[Shape] = []
    for part, kind in container.classes(layout, loading.parts).items():
        if kind is None or not issubclass(kind, Model):
            continue
        shape = container.shape(part, kind, loading.weights)
        if shape is None:
            return None
        found.append(shape)
    return found


def plan(
    parts: Sequence[Shape], request: Request, device: torch.device, dtypes: Sequence[torch.dtype]
) -> Plan:
    """What to do for a request, whose pictures are drawn one after the other.

    Args:
        dtypes: what weights may be stored in, the first where it fits.

    Raises:
        RequestError: Nothing fits; the message says what would.
    """
    free, size, beside = free_memory(device), _size(parts, request), _adapters(request)
    tried = [_planned(parts, size, device, dtype, free, beside) for dtype in dtypes]
    for index, found in enumerate(tried):
        if found.fits:
            return replace(found, chosen=index > 0)
    best = min(tried, key=lambda each: each.need.least)
    if not is_measured(device):
        return replace(best, chosen=best is not tried[0])
    assert free is not None
    raise RequestError(
        f"drawing {size[2]} x {size[1]} pixels takes at least {gigabytes(best.need.least)} with "
        f"weights in {_name(best.dtype)}, and {gigabytes(free)} are free on {device}; "
        f"{_instead(parts, size, best, beside)}"
    )


def _adapters(request: Request) -> int:
    """Bytes of the files of adapters, which are computed with beside the weights."""
    found = 0
    for file in (request.lora_files or {}).values():
        with suppress(OSError):
            found += Path(file.path).stat().st_size
    return found


def _size(parts: Sequence[Shape], request: Request) -> tuple[int, int, int]:
    """Rows of the UNet's calls, and the picture's height and width."""
    networks = [part.network for part in parts]
    unet = next((each for each in networks if isinstance(each, UNet2DConditionModel)), None)
    latents = (64, 64) if unet is None else unet.config.latent_size
    height, width = (side * _factor(parts) for side in latents)
    embedded = unet is not None and unet.config.guidance_dim > 0
    guided = request.guidance_scale is None or request.guidance_scale > 1
    guided = not embedded and (guided or asks_for_both_sides(request.scheduler))
    width, height = request.enlarged(request.width or width, request.height or height)
    return 2 if guided else 1, height, width


def _factor(parts: Sequence[Shape]) -> int:
    """Pixels along one side of a latent."""
    networks = [part.network for part in parts]
    vae = next((each for each in networks if isinstance(each, Autoencoder)), None)
    return USUAL_SCALE if vae is None else vae.scale_factor


def _planned(
    parts: Sequence[Shape],
    size: tuple[int, int, int],
    device: torch.device,
    dtype: torch.dtype,
    free: int | None,
    beside: int,
) -> Plan:
    """The same with weights in one dtype, whether it fits or not.

    Args:
        beside: what adapters take.
    """
    held = {id(part): _weights(part, dtype, device) for part in parts}
    total = sum(held.values())
    # files that are mapped are read again when their turn comes, and a GPU's parts come and go
    staying = 0
    if device.type != "cuda":
        staying = sum(held[id(part)] for part in parts if not _mapped(part, dtype, device))
    most = least = 0
    tile, factor = None, _factor(parts)
    for part in parts:
        own = 0 if device.type != "cuda" and not _mapped(part, dtype, device) else held[id(part)]
        left = None if free is None else max(0, free - staying - own)
        working, smallest, tile_of = _working(part, size, dtype, device, left, factor)
        tile = tile_of or tile
        most, least = max(most, working), max(least, own + smallest)
    need = Need(total + most + beside, staying + least + beside)
    return Plan(size[1:], device, need, free, dtype, False, tile)


def _working(
    part: Shape,
    size: tuple[int, int, int],
    dtype: torch.dtype,
    device: torch.device,
    left: int | None,
    factor: int,
) -> tuple[int, int, int | None]:
    """What a network takes beside its weights: with room, at least, and the tiles it comes to."""
    rows, height, width = size
    network = part.network
    computes = network.would_compute_in(dtype, device)
    if isinstance(network, UNet2DConditionModel | Steerer):
        latents = (rows, height // factor, width // factor)
        found = unet_bytes(network.config, latents, computes, device)
        return found, found, None
    if isinstance(network, Autoencoder):
        return _decoding(network, (height, width), computes, device, left)
    return 0, 0, None


def _decoding(
    vae: Autoencoder[Any],
    size: tuple[int, int],
    dtype: torch.dtype,
    device: torch.device,
    left: int | None,
) -> tuple[int, int, int | None]:
    each, pixels = pixel_bytes(vae, dtype, device), size[0] * size[1]
    result = pixels * 3 * 4
    planned = portions(vae, (1, *size), dtype, device, left)
    smallest = portions(vae, (1, *size), dtype, device, None)[-1]
    least = min(pixels, smallest.tile**2) if smallest.tile else pixels
    chosen = planned[0] if planned else smallest
    taken = min(pixels, chosen.tile**2) if chosen.tile else pixels
    return each * taken + result, each * least + result, chosen.tile


def _weights(part: Shape, dtype: torch.dtype, device: torch.device) -> int:
    """What weights take once the network is ready to compute."""
    if part.blocks is not None:
        return part.blocks
    if _kept(dtype, device):
        return _values(part) * dtype.itemsize
    return _values(part) * part.network.would_compute_in(dtype, device).itemsize


def _values(part: Shape) -> int:
    return sum(parameter.numel() for parameter in part.network.parameters())


def _mapped(part: Shape, dtype: torch.dtype, device: torch.device) -> bool:
    """Whether weights stay in their file, from which they are read where they are needed."""
    stays = part.blocks is not None or (part.stored == _name(dtype) and _kept(dtype, device))
    return device.type == "cpu" and stays


def _kept(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether the weights that are loaded are those that are computed with."""
    computes = compute_dtype(dtype, device)
    return computes == dtype or (device.type == "cpu" and kernels.available(computes))


def _instead(parts: Sequence[Shape], size: tuple[int, int, int], best: Plan, beside: int) -> str:
    """What would fit, for the end of a message."""
    asked = [size, *_smaller(size)]
    for dtype in dict.fromkeys((best.dtype, torch.float16)):
        for smaller in asked:
            found = _planned(parts, smaller, best.device, dtype, best.free, beside)
            if found.fits:
                stored = "" if dtype == best.dtype else f" with weights in {_name(dtype)}"
                side = f"{smaller[2]} x {smaller[1]} pixels{stored}"
                return f"{side} take {gigabytes(found.need.least)}"
    return "no smaller picture does; free memory, or take a smaller model"


def _smaller(size: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    rows, height, width = size
    for share in SMALLER:
        sides = [int(side * share) // STEP * STEP for side in (height, width)]
        if min(sides) >= STEP:
            yield rows, sides[0], sides[1]


def gigabytes(count: float) -> str:
    """Bytes as people read them, with two digits that count."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
