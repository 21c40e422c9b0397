"""What comes out of a pipeline, and how a notebook shows it: pictures with their seeds."""

import base64
import html
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image
from torch import Tensor

from kakusan.images import save_image
from kakusan.text import Understanding

_NARROWEST = 200  # pixels of a line under a picture

Images = list[Image] | np.ndarray[Any, Any] | Tensor


class StableDiffusionPipelineOutput(NamedTuple):
    """The pictures of one call.

    `images` is a list of PIL pictures, or an array (n, h, w, 3) or tensor (n, 3, h, w) in
    [0, 1], or latents, as `output_type` asked. `nsfw_content_detected` has a flag a picture, or
    is None without a safety checker. `records` tells, for each picture, all that made it.
    """

    images: Images
    nsfw_content_detected: list[bool] | None
    records: list[dict[str, Any]]

    def _repr_html_(self) -> str | None:
        if not isinstance(self.images, list):
            return None
        return _figures(zip(self.images, self.records, strict=True))


@dataclass(frozen=True)
class Picture:
    """One finished picture, with the record that makes it again."""

    image: Image
    record: dict[str, Any]
    flagged: bool = False

    @property
    def unknown_words(self) -> dict[str, str | None]:
        """Words of its prompts that the model was never taught, as `Understanding` has them."""
        return dict(Understanding.of_record(self.record).unknown_words)

    def save(self, path: str | Path) -> Path:
        """Write it as PNG, JPEG or WebP (by suffix) with its record inside."""
        return save_image(self.image, path, self.record)

    def _repr_html_(self) -> str:
        return _figures([(self.image, self.record)])


class Pictures(list[Picture]):
    """The pictures of one call, which a notebook shows side by side."""

    def _repr_html_(self) -> str:
        return _figures((each.image, each.record) for each in self)


def _figures(pictures: Iterable[tuple[Image, Mapping[str, Any]]]) -> str:
    """Each picture with its prompt for whoever cannot see it; under it its seed, and what of the
    prompt was not understood.
    """
    shown: list[str] = []
    for image, record in pictures:
        buffer = io.BytesIO()
        image.save(buffer, format="PNG")
        data = base64.b64encode(buffer.getvalue()).decode("ascii")
        words = html.escape(str(record.get("prompt") or ""), quote=True)
        caption = _caption(record, max(image.width, _NARROWEST))
        shown.append(
            '<figure style="display:inline-block;margin:4px;text-align:center">'
            f'<img src="data:image/png;base64,{data}" alt="{words}">{caption}</figure>'
        )
    return "".join(shown)


def _caption(record: Mapping[str, Any], width: int) -> str:
    seed = record.get("seed")
    lines = [] if seed is None else [f"seed {html.escape(str(seed))}"]
    lines += [
        f'<small style="display:block;max-width:{width}px">{html.escape(note)}</small>'
        for note in Understanding.of_record(record).notes()
    ]
    return f"<figcaption>{''.join(lines)}</figcaption>" if lines else ""
