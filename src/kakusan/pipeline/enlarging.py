"""From the latents of a first pass to those that a second one begins at, larger."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import NumericalError
from kakusan.images import to_pil
from kakusan.images.enlarging import enlarged
from kakusan.inputs import Given
from kakusan.request import Enlargement, SecondPass
from kakusan.schedulers import Generators, draw_noise

# Takes what is to be said of the computation in records
Note = Callable[[str], Any]


def larger(
    latents: Tensor,
    second: SecondPass,
    to: Enlargement,
    engine: Engine,
    note: Note,
    *,
    truncated: bool = False,
    generator: Generators = None,
) -> Tensor:
    """Latents (b, c, h, w) as the loop has them, of pictures that are larger and maybe cut off.

    Args:
        truncated: whether pixels between two levels become the lower one.
        generator: draws the latents of enlarged pictures from their distributions, as the reference
            does; without one they are the likeliest.

    Raises:
        NumericalError: The VAE gives NaN or infinity in float32 too.
    """
    how = second.how
    if how.latent:
        size = (to.height // to.factor, to.width // to.factor)
        found = F.interpolate(latents, size=size, mode=how.mode, antialias=how.antialias)
    else:
        found = _through_pixels(latents, second.upscaler, to, engine, note, truncated, generator)
    if not bool(torch.isfinite(found).all()):
        raise NumericalError.of("UNet")
    rows, columns = to.kept
    return found[..., rows, columns].contiguous()


def _through_pixels(
    latents: Tensor,
    upscaler: str,
    to: Enlargement,
    engine: Engine,
    note: Note,
    truncated: bool,
    generator: Generators,
) -> Tensor:
    decoded = engine.decode(latents)
    pictures = to_pil(decoded.result, truncated=truncated)
    images = tuple(enlarged(each, to.width, to.height, upscaler) for each in pictures)
    given = Given(images, names=(None,) * len(images))
    encoded = engine.encode_picture(
        given.pixels(to.width, to.height, "stretch"), _deviations(latents, to, engine, generator)
    )
    for said in (decoded.note, decoded.tiled, encoded.note, encoded.tiled):
        if said is not None:
            note(said)
    return encoded.result.to(latents)


def _deviations(
    latents: Tensor, to: Enlargement, engine: Engine, generator: Generators
) -> Tensor | None:
    if generator is None or not engine.vae.has_deviations:
        return None
    shape = (*latents.shape[:2], to.height // to.factor, to.width // to.factor)
    dtype = engine.compute_dtype(engine.vae)
    return draw_noise(shape, generator, dtype=dtype, device=engine.device)
