"""What all results have in common: they are pictures that show themselves in a notebook."""

import io
from abc import ABC, abstractmethod
from pathlib import Path

from PIL.Image import Image

from kakusan.images import save_image


class Shown(ABC):
    """A result that a notebook displays as a picture, and that saves as one."""

    @abstractmethod
    def picture(self) -> Image:
        """Draw it."""

    def save(self, path: str | Path) -> Path:
        """Write the picture (.png, .jpg or .webp), whole or not at all.

        Raises:
            OutputError: Another suffix, or nowhere to write.
        """
        return save_image(self.picture(), path)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.picture().save(buffer, format="PNG")
        return buffer.getvalue()
