"""A picture after every step of its making."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL.Image import Image

from kakusan.checkpoints.files import atomic
from kakusan.errors import ArgumentError, OutputError
from kakusan.inspect.sheet import enlarged, in_rows
from kakusan.inspect.shown import Shown
from kakusan.inspect.wording import Language, worded
from kakusan.pipeline import LatentDiffusionPipeline
from kakusan.pipeline.bars import progress_bar
from kakusan.request import Request
from kakusan.sampling import Step

IN_A_ROW = MOST = 9
LAST_FRAME = 1.5  # seconds
KINDS = {".gif": "GIF", ".webp": "WEBP", ".png": "PNG"}


@dataclass(frozen=True)
class Denoising(Shown):
    """What the network made of the noise, step by step.

    `pictures` are its guesses of the result after each step, the last one is the result;
    `timesteps` are the noise levels that the steps began at.
    """

    prompt: str
    seed: int
    pictures: tuple[Image, ...]
    timesteps: tuple[float, ...]
    language: Language = "en"

    def picture(self, columns: int = IN_A_ROW) -> Image:
        """At most nine steps, the first and the last among them, so many in a row."""
        count = len(self.pictures)
        chosen = np.unique(np.linspace(0, count - 1, min(count, MOST)).round().astype(int))
        names = [f"{i + 1}/{count}, t={self.timesteps[i]:g}" for i in chosen]
        return in_rows([self.pictures[i] for i in chosen], names, columns, title=self.title)

    @property
    def title(self) -> str:
        return f"{self.prompt} ({worded('seed', self.language)} {self.seed})"

    def animation(self, path: str | Path, *, seconds: float = 3.0) -> Path:
        """Write all steps as an animation that runs again and again, whole or not at all.

        Raises:
            OutputError: The suffix is not .gif, .webp or .png, or there is nowhere to write.
        """
        return animate(self.pictures, path, seconds=seconds, hold=LAST_FRAME)


def animate(frames: Sequence[Image], path: str | Path, *, seconds: float, hold: float) -> Path:
    """Write frames as an endless animation whose last frame stays for at least `hold` seconds."""
    path = Path(path)
    kind = KINDS.get(path.suffix.casefold())
    if kind is None:
        raise OutputError(f"'{path}' cannot move; an animation ends in .gif, .webp or .png")
    first, *others = (enlarged(each) for each in frames)
    each = max(20, round(1000 * seconds / len(frames)))
    times = [each] * len(others) + [max(each, round(1000 * hold))]
    with atomic(path) as temporary:
        first.save(
            temporary, format=kind, save_all=True, append_images=others, duration=times, loop=0
        )
    return path


def single(prompt: str, seed: int | None, settings: Mapping[str, Any]) -> Request:
    """The request for one picture.

    Raises:
        RequestError: It would be several, or anything of it does not fit.
    """
    request = Request.of(prompt, seed=seed, **settings)
    if not isinstance(prompt, str) or request.num_pictures != 1:  # pyright: ignore
        raise ArgumentError(
            "{prompt} must be one text, and one picture of it is drawn; call again for more"
        )
    return request


def counted(pipe: LatentDiffusionPipeline, steps: Iterator[Step], name: str) -> Iterator[Step]:
    """The steps of one picture, with a bar that says what they are for and counts them."""
    with progress_bar(**{"desc": name, **pipe.progress_options}) as bar:
        for step in steps:
            if bar.total is None:
                bar.reset(step.total)
            bar.update(step.index + 1 - bar.n)
            yield step


def denoising(
    pipe: LatentDiffusionPipeline,
    prompt: str,
    *,
    seed: int = 0,
    preview: bool = False,
    language: Language = "en",
    **settings: Any,
) -> Denoising:
    """Draw a picture and keep what it looked like after every step.

    Args:
        pipe: draws it.
        preview: small pictures of the latents in place of decoded ones: less to see, for next to
            no time.
        language: of the words in the figure.
        settings: of the `Request` (`num_inference_steps=`, `guidance_scale=`, ...).

    The safety checker does not look at what is kept.

    Raises:
        RequestError: Anything of the arguments does not fit, before any network runs.
    """
    request = single(prompt, seed, settings)
    worded("seed", language)  # only to be checked, before any work
    pictures: list[Image] = []
    timesteps: list[float] = []
    for step in counted(pipe, pipe.stream(request), "denoising"):
        pictures.append((step.preview() if preview else step.decode())[0])
        timesteps.append(step.timestep)
    return Denoising(prompt, seed, tuple(pictures), tuple(timesteps), language)
