"""What a picture goes through before CLIP's picture tower sees it."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kakusan.checkpoints.files import read_json, write_json
from kakusan.checkpoints.source import locate
from kakusan.errors import RequestError
from kakusan.models.image_processor_config import CONFIG_FILE, ImageProcessorConfig


class ProcessedImages(NamedTuple):
    """What the processor gives.

    Attributes:
        pixel_values: shape (batch, 3, crop_size, crop_size), float32.
    """

    pixel_values: Tensor


class CLIPImageProcessor:
    """Resizes, crops and normalises pictures as CLIP was trained on them."""

    def __init__(self, config: ImageProcessorConfig | None = None) -> None:
        self.config = config or ImageProcessorConfig()

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str],
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
    ) -> Self:
        """Read `preprocessor_config.json` of a folder or Hub model.

        Raises:
            CheckpointError: the file is missing, broken, or has values that are not supported.
        """
        folder = locate(
            name,
            subfolder=subfolder,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        ).folder
        path = folder / CONFIG_FILE
        return cls(ImageProcessorConfig.from_published(read_json(path), str(path)))

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `preprocessor_config.json`, which the reference library reads too."""
        write_json(Path(folder) / CONFIG_FILE, self.config.to_published())

    def __call__(
        self, images: Image.Image | Sequence[Image.Image], *, return_tensors: str = "pt"
    ) -> ProcessedImages:
        """Prepare one picture or several.

        Raises:
            RequestError: `return_tensors` is not "pt".
        """
        if return_tensors != "pt":
            raise RequestError(f"return_tensors is {return_tensors!r}; only 'pt' is there")
        several = [images] if isinstance(images, Image.Image) else images
        return ProcessedImages(torch.stack([self._prepared(image) for image in several]))

    def _prepared(self, image: Image.Image) -> Tensor:
        image = self._cropped(self._resized(image.convert("RGB")))
        values = np.asarray(image).astype(np.float32) * np.float32(self.config.rescale_factor)
        mean = np.array(self.config.image_mean, np.float32)
        std = np.array(self.config.image_std, np.float32)
        return torch.from_numpy(np.ascontiguousarray(((values - mean) / std).transpose(2, 0, 1)))

    def _resized(self, image: Image.Image) -> Image.Image:
        size = self.config.size
        if size is None:
            return image
        if isinstance(size, int):
            shorter = min(image.size)
            # the longer side is rounded down, as everywhere in CLIP
            width, height = (size if s == shorter else int(size * s / shorter) for s in image.size)
        else:
            height, width = size
        return image.resize((width, height), Image.Resampling(self.config.resample))

    def _cropped(self, image: Image.Image) -> Image.Image:
        size = self.config.crop_size
        if size is None:
            return image
        height, width = (size, size) if isinstance(size, int) else size
        left, top = (
            (side - cut) // 2 for side, cut in zip(image.size, (width, height), strict=True)
        )
        return image.crop((left, top, left + width, top + height))
