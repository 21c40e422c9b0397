"""A walk from one prompt or seed to another."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.inspect.sheet import sheet
from kakusan.inspect.shown import Shown
from kakusan.inspect.steps import animate
from kakusan.pipeline import StableDiffusionPipeline

IN_A_ROW = 9


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation from `a` (t = 0) to `b` (t = 1), of any equal shapes.

    A straight line between two samples of Gaussian noise passes through points nearer to the
    middle than noise ever is; the arc keeps the length. Vectors of nearly one direction are
    interpolated straight. Shoemake, SIGGRAPH 1985.
    """
    x, y = a.float().flatten(), b.float().flatten()
    cosine = torch.dot(x, y) / (x.norm() * y.norm()).clamp(min=1e-12)
    angle = torch.arccos(cosine.clamp(-1, 1))
    if float(angle.sin()) < 1e-3:
        return torch.lerp(a, b, t)
    mixed = (((1 - t) * angle).sin() * x + (t * angle).sin() * y) / angle.sin()
    return mixed.view(a.shape).to(a.dtype)


@dataclass(frozen=True)
class Walk(Shown):
    """The pictures from the beginning to the end of a walk."""

    title: str
    pictures: tuple[Image, ...]

    def picture(self) -> Image:
        last = max(1, len(self.pictures) - 1)
        names = [f"{i / last:.2f}" for i in range(len(self.pictures))]
        rows = [slice(i, i + IN_A_ROW) for i in range(0, len(names), IN_A_ROW)]
        images = list(self.pictures)
        return sheet(
            [images[row] for row in rows], captions=[names[row] for row in rows], title=self.title
        )

    def animation(self, path: str | Path, *, seconds: float = 3.0) -> Path:
        """Write it as an animation, there and back; see `Denoising.animation`."""
        return animate([*self.pictures, *self.pictures[-2:0:-1]], path, seconds=seconds, hold=0)


def walk(
    pipe: StableDiffusionPipeline,
    start: str,
    end: str | None = None,
    *,
    pictures: int = 9,
    seed: int = 0,
    end_seed: int | None = None,
    **arguments: Any,
) -> Walk:
    """Draw pictures on the way from one prompt to another, from one seed to another, or both.

    Args:
        pipe: draws them.
        start: the first prompt.
        end: the last one; the first where not given.
        pictures: how many, with both ends.
        seed: of the first picture's noise.
        end_seed: of the last one's; the first where not given.
        arguments: of the pipeline's call (`num_inference_steps=`, `guidance_scale=`, ...).

    Raises:
        RequestError: There is nothing to walk between, or anything else does not fit.
    """
    if pictures < 2:
        raise RequestError(f"pictures must be 2 or more, not {pictures}")
    if end in (None, start) and end_seed in (None, seed):
        raise RequestError("a walk needs another prompt (end=) or another seed (end_seed=)")
    last = start if end is None else end
    texts = pipe.encode_texts([start, last])
    size = pipe.full_size(arguments.get("height"), arguments.get("width"))
    factor = pipe.vae.scale_factor
    shape = (1, pipe.unet.config.in_channels, size["height"] // factor, size["width"] // factor)
    noise = [_noise(shape, each) for each in (seed, seed if end_seed is None else end_seed)]
    found: list[Image] = []
    for i in range(pictures):
        t = i / (pictures - 1)
        between = torch.lerp(texts[:1], texts[1:], t)
        noised = slerp(noise[0], noise[1], t).to(pipe.device)
        drawn = pipe.pictures(prompt_embeds=between, latents=noised, **arguments)
        found += [each.image for each in drawn]
    names = [start if end in (None, start) else f"{start} / {end}"]
    if end_seed not in (None, seed):
        names.append(f"(seed {seed} to {end_seed})")
    return Walk(" ".join(names), tuple(found))


def _noise(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
