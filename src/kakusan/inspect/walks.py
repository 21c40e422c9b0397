"""A walk from one prompt or seed to another."""

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan.errors import RequestError, shown
from kakusan.inspect.sheet import in_rows
from kakusan.inspect.shown import Shown
from kakusan.inspect.steps import animate, single
from kakusan.inspect.wording import Language, worded
from kakusan.pipeline import LatentDiffusionPipeline
from kakusan.pipeline.bars import progress_bar
from kakusan.schedulers import seeded

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

    def picture(self, columns: int = IN_A_ROW) -> Image:
        """All of them, so many in a row."""
        last = max(1, len(self.pictures) - 1)
        names = [f"{i / last:.2f}" for i in range(len(self.pictures))]
        return in_rows(self.pictures, names, columns, title=self.title)

    def animation(self, path: str | Path, *, seconds: float = 3.0) -> Path:
        """Write it as an animation, there and back; see `Denoising.animation`."""
        return animate([*self.pictures, *self.pictures[-2:0:-1]], path, seconds=seconds, hold=0)


def walk(
    pipe: LatentDiffusionPipeline,
    start: str,
    end: str | None = None,
    *,
    pictures: int = 9,
    seed: int = 0,
    end_seed: int | None = None,
    language: Language = "en",
    **settings: Any,
) -> Walk:
    """Draw pictures on the way from one prompt to another, from one seed to another, or both.

    Args:
        pipe: draws them.
        start: the first prompt.
        end: the last one; the first where not given.
        pictures: how many, with both ends.
        seed: of the first picture's noise.
        end_seed: of the last one's; the first where not given.
        language: of the words in the figure.
        settings: of the `Request` (`num_inference_steps=`, `guidance_scale=`, ...).

    Raises:
        RequestError: There is nothing to walk between, or anything else does not fit.
    """
    if type(pictures) is not int or pictures < 2:
        raise RequestError(f"pictures must be a whole number of 2 or more, not {shown(pictures)}")
    if seed is None:  # pyright: ignore[reportUnnecessaryComparison]
        raise RequestError("seed must be a whole number, so that every picture has the same noise")
    worded("seed", language)  # only to be checked, before any work
    for each in (seed, end_seed):
        request = single(start, each, settings)
    if end in (None, start) and end_seed in (None, seed):
        raise RequestError("a walk needs another prompt (end=) or another seed (end_seed=)")
    last = start if end is None else end
    texts = pipe.embeddings_of([start, last], request.clip_skip)
    request = replace(request, prompt=(None,), seed=None)
    size = pipe.engine.full_size(request.height, request.width)
    factor = pipe.vae.scale_factor
    shape = (1, pipe.unet.config.out_channels, size["height"] // factor, size["width"] // factor)
    seeds = (seed, seed if end_seed is None else end_seed)
    sources = [seeded(each) for each in seeds]
    noise = [torch.randn(shape, generator=each) for each in sources]
    state = sources[0].get_state()  # schedulers that add noise add the same to each picture
    quiet = copy.copy(pipe)
    quiet.set_progress_bar_config(disable=True)  # one bar counts the pictures
    found: list[Image] = []
    with progress_bar(**{"total": pictures, "desc": "walk", **pipe.progress_options}) as bar:
        for i in range(pictures):
            t = i / (pictures - 1)
            given: dict[str, Any] = {
                name: torch.lerp(both[:1], both[1:], t) for name, both in texts.items()
            }
            given["latents"] = slerp(noise[0], noise[1], t).to(pipe.device)
            sources[0].set_state(state)
            drawn = quiet.pictures(request, generator=sources[0], **given)
            found += [each.image for each in drawn]
            bar.update()
    names = [start if end in (None, start) else f"{start} / {end}"]
    if end_seed not in (None, seed):
        names.append(f"({worded('seed', language)} {seed} {worded('to', language)} {end_seed})")
    return Walk(" ".join(names), tuple(found))
