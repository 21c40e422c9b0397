"""What a call for inpainting gives the networks: pictures and masks at the size that is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.images import to_pil
from kakusan.inputs import as_tensor
from kakusan.request import Request
from kakusan.schedulers import Generators, draw_noise
from kakusan.steering.canvas import (
    Canvas,
    Levels,
    blurred_of,
    content_of,
    drawn_box,
    resized_levels,
    values_of,
    whole_canvas,
)
from kakusan.steering.way import Call


@dataclass(frozen=True, eq=False)
class Drawn:
    """Pictures and masks of a call, of which the first are used again after the last.

    Attributes:
        pixels: shape (n, 3, height, width), in [-1, 1]; None where latents were handed in.
        levels: of the masks, shape (m, 1, height, width), in [0, 1].
        canvases: what is pasted back, one for each; none where all of a picture is drawn.
    """

    pixels: Tensor | None
    levels: Tensor
    canvases: Sequence[Canvas] = ()

    def __len__(self) -> int:
        return max(0 if self.pixels is None else len(self.pixels), len(self.levels))


def drawn_of(call: Call) -> Drawn:
    """The pictures and masks of a call whose request is complete."""
    request, given, masks = call.request, call.inputs.image, call.inputs.mask
    assert given is not None
    assert request.width is not None
    assert request.height is not None
    size = (request.width, request.height)
    if request.pastes_back:
        return _cut(call, max(len(given), 0 if masks is None else len(masks)), size)
    assert masks is not None
    mode = request.resize_mode or "stretch"
    blurred = [blurred_of(request, each) for each in masks.levels]
    levels = as_tensor([resized_levels(each, *size, mode) for each in blurred])
    if given.latents is not None:
        return Drawn(None, levels)
    drawn = Drawn(given.pixels(*size, mode), levels)
    return drawn if request.masked_content in (None, "original") else _with_content(request, drawn)


def _cut(call: Call, count: int, size: tuple[int, int]) -> Drawn:
    request, factor = call.request, call.engine.scale_factor
    pixels, levels, canvases = list[Tensor](), list[Levels](), list[Canvas]()
    for index in range(count):
        picture, whole = whole_canvas(request, call.inputs, index)
        canvas = Canvas(picture, whole, drawn_box(request, whole, factor))
        image, mask = canvas.cut(*size)
        canvases.append(canvas)
        levels.append(mask)
        pixels.append(values_of(content_of(request, image, mask)))
    return Drawn(torch.cat(pixels), as_tensor(levels), canvases)


def _with_content(request: Request, drawn: Drawn) -> Drawn:
    assert drawn.pixels is not None
    images, masks = to_pil(drawn.pixels), drawn.levels[:, 0].numpy()
    found = [
        values_of(content_of(request, images[i % len(images)], masks[i % len(masks)]))
        for i in range(len(drawn))
    ]
    return Drawn(torch.cat(found), drawn.levels)


def encoded(call: Call, pixels: Tensor, generator: Generators) -> tuple[Tensor, list[str]]:
    """Latents (n, c, h, w) of pixels (n, 3, height, width), and what records are to say of it.

    Args:
        generator: draws them from their distributions, in the reference's order; under a seed they
            are the likeliest ones, so that a picture alone is the same as beside others.
    """
    alone = call.request.seed is not None
    noise = None if alone else deviations(call, len(pixels), generator)
    parts = pixels.split(1 if alone else len(pixels))
    found = [call.engine.encode_picture(part, noise) for part in parts]
    notes = [note for each in found for note in (each.note, each.tiled) if note is not None]
    return torch.cat([each.result for each in found]), notes


def deviations(call: Call, rows: int, generator: Generators) -> Tensor | None:
    """What draws so many latents from their distributions; None where there are none."""
    engine = call.engine
    if not engine.vae.has_deviations:
        return None
    if isinstance(generator, Sequence):
        generator = generator[:rows]
    shape = (rows, engine.vae.config.latent_channels, *call.latents[2:])
    dtype = engine.compute_dtype(engine.vae)
    return draw_noise(shape, generator, dtype=dtype, device=engine.device)


def rows_of(tensor: Tensor, pictures: range) -> Tensor:
    """Those of pictures, of which there may be fewer than are drawn."""
    return tensor[[index % len(tensor) for index in pictures]]
