"""What comes out of a pipeline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.Image import Image
from torch import Tensor

from kakusan.images import save_image

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


@dataclass(frozen=True)
class Picture:
    """One finished picture, with the record that makes it again."""

    image: Image
    record: dict[str, Any]
    flagged: bool = False

    def save(self, path: str | Path) -> Path:
        """Write it as PNG, JPEG or WebP (by suffix) with its record inside."""
        return save_image(self.image, path, self.record)

    def _repr_png_(self) -> bytes:
        return self.image._repr_png_()  # pyright: ignore
