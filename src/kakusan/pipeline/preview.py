"""Previews of latents without the VAE's decoder: a linear map from latents to colours."""

from typing import Any

import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor

from kakusan.images import to_pil
from kakusan.models import Autoencoder

_FIELD = 12  # latents of the calibration picture on each side
_POINTS = 5  # random values in it on each side


class LatentPreview:
    """The affine map (c + 1, 3) from a VAE's scaled latents to colours that fits it best.

    It is fitted once, by least squares, on how the VAE encodes one smooth field of random
    colours, so that it serves every VAE without a table of known ones. One that only decodes is
    asked for the colours of a smooth field of random latents.
    """

    def __init__(self, vae: Autoencoder[Any]) -> None:
        with torch.no_grad():
            latents, pixels = _encoded(vae) if vae.can_encode else _decoded(vae)
        wanted = F.interpolate(pixels.float().cpu(), (_FIELD, _FIELD), mode="area")
        rows = _with_ones(latents.float().cpu()).flatten(0, 2)
        self.weights = torch.linalg.lstsq(rows, wanted.movedim(1, -1).flatten(0, 2)).solution

    def __call__(self, latents: Tensor) -> list[Image]:
        """One small picture for each of `latents` (b, c, h, w), w by h pixels."""
        colours = _with_ones(latents.float().cpu()) @ self.weights  # (c + 1, 3)
        return to_pil(colours.movedim(-1, 1).clamp(-1, 1))


def _encoded(vae: Autoencoder[Any]) -> tuple[Tensor, Tensor]:
    """Latents of a field of colours, and the field."""
    side, generator = _FIELD * vae.scale_factor, torch.Generator("cpu").manual_seed(0)
    colours = (
        torch.rand((1, 3, _POINTS, _POINTS), generator=generator, dtype=torch.float32, device="cpu")
        * 2
        - 1
    )
    pixels = F.interpolate(colours, (side, side), mode="bicubic").clamp(-1, 1)
    return vae.to_latents(pixels.to(vae.device)), pixels


def _decoded(vae: Autoencoder[Any]) -> tuple[Tensor, Tensor]:
    """A field of latents, and its pixels."""
    shape = (1, vae.config.latent_channels, _POINTS, _POINTS)
    values = torch.randn(
        shape, generator=torch.Generator("cpu").manual_seed(0), dtype=torch.float32, device="cpu"
    )
    latents = F.interpolate(values, (_FIELD, _FIELD), mode="bicubic")
    return latents, vae.to_pixels(latents.to(vae.device))


def _with_ones(latents: Tensor) -> Tensor:
    # (b, c, h, w) -> (b, h, w, c + 1)
    last = latents.movedim(1, -1)
    return torch.cat([last, torch.ones_like(last[..., :1])], dim=-1)
