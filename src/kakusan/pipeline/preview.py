"""Previews of latents without the VAE's decoder: a linear map from latents to colours."""

import torch
import torch.nn.functional as F
from PIL.Image import Image
from torch import Tensor

from kakusan.images import to_pil
from kakusan.models import AutoencoderKL

_FIELD = 12  # latents of the calibration picture on each side


class LatentPreview:
    """The affine map (c + 1, 3) from a VAE's scaled latents to colours that fits it best.

    It is fitted once, by least squares, on how the VAE encodes one smooth field of random
    colours, so that it serves every VAE without a table of known ones.
    """

    def __init__(self, vae: AutoencoderKL) -> None:
        side = _FIELD * vae.scale_factor
        colours = torch.rand((1, 3, 5, 5), generator=torch.Generator().manual_seed(0)) * 2 - 1
        field = F.interpolate(colours, (side, side), mode="bicubic").clamp(-1, 1)
        with torch.no_grad():
            encoded = vae.encode(field.to(vae.device))[0].mode()
        latents = _with_ones(encoded.float().cpu() * vae.config.scaling_factor)
        wanted = F.interpolate(field, (_FIELD, _FIELD), mode="area").movedim(1, -1).flatten(0, 2)
        self.weights = torch.linalg.lstsq(latents.flatten(0, 2), wanted).solution  # (c + 1, 3)

    def __call__(self, latents: Tensor) -> list[Image]:
        """One small picture for each of `latents` (b, c, h, w), w by h pixels."""
        colours = _with_ones(latents.float().cpu()) @ self.weights
        return to_pil(colours.movedim(-1, 1).clamp(-1, 1))


def _with_ones(latents: Tensor) -> Tensor:
    # (b, c, h, w) -> (b, h, w, c + 1)
    last = latents.movedim(1, -1)
    return torch.cat([last, torch.ones_like(last[..., :1])], dim=-1)
