"""What a picture goes through before CLIP's picture tower sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, RequestError

CONFIG_FILE = "preprocessor_config.json"
MAX_SIZE = 4096


class ProcessedImages(NamedTuple):
    """What the processor gives.

    Attributes:
        pixel_values: shape (batch, 3, crop_size, crop_size), float32.
    """

    pixel_values: Tensor


@dataclass(frozen=True, kw_only=True)
class ImageProcessorConfig:
    """How pictures are prepared; the defaults are CLIP's.

    Attributes:
        size: the shorter side after resizing; None leaves the size.
        crop_size: height and width of the square cut from the middle; None leaves the shape.
        resample: Pillow's number of the filter; 3 is bicubic.
        rescale_factor: what pixel values 0 to 255 are multiplied with.
        image_mean: subtracted, for red, green and blue.
        image_std: what is divided by after that.
    """

    size: int | None = 224
    crop_size: int | None = 224
    resample: int = Image.Resampling.BICUBIC
    rescale_factor: float = 1 / 255
    image_mean: tuple[float, ...] = (0.48145466, 0.4578275, 0.40821073)
    image_std: tuple[float, ...] = (0.26862954, 0.26130258, 0.27577711)

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = CONFIG_FILE) -> Self:
        """Read a published config; `where` names the file in messages.

        Raises:
            CheckpointError: A value is absurd or asks for what is not implemented.
        """
        fields = Fields(published, where)
        on = {
            step: fields.boolean(f"do_{step}", True)
            for step in ("resize", "center_crop", "rescale", "normalize")
        }
        plain = cls()
        std = fields.numbers("image_std", plain.image_std, length=3)
        if min(std) <= 0:
            raise CheckpointError(f"{where}: 'image_std' is {std}; it must be positive.")
        return cls(
            size=_side(published, where, "size", ["shortest_edge"]) if on["resize"] else None,
            crop_size=_side(published, where, "crop_size", ["height", "width"])
            if on["center_crop"]
            else None,
            resample=fields.integer("resample", 3, minimum=0, maximum=5),
            rescale_factor=fields.number("rescale_factor", 1 / 255) if on["rescale"] else 1.0,
            image_mean=fields.numbers("image_mean", plain.image_mean, length=3)
            if on["normalize"]
            else (0.0, 0.0, 0.0),
            image_std=std if on["normalize"] else (1.0, 1.0, 1.0),
        )

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        size, crop = self.size or 224, self.crop_size or 224
        return {
            "crop_size": {"height": crop, "width": crop},
            "do_center_crop": self.crop_size is not None,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": self.size is not None,
            "image_mean": list(self.image_mean),
            "image_processor_type": "CLIPImageProcessor",
            "image_std": list(self.image_std),
            "resample": int(self.resample),
            "rescale_factor": self.rescale_factor,
            "size": {"shortest_edge": size},
        }


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
        shorter = min(image.size)
        # the longer side is rounded down, as everywhere in CLIP
        width, height = (size if s == shorter else int(size * s / shorter) for s in image.size)
        return image.resize((width, height), Image.Resampling(self.config.resample))

    def _cropped(self, image: Image.Image) -> Image.Image:
        size = self.config.crop_size
        if size is None:
            return image
        left, top = ((side - size) // 2 for side in image.size)
        return image.crop((left, top, left + size, top + size))


def _side(published: Mapping[str, JSON], where: str, key: str, inner: Sequence[str]) -> int:
    """A size that old files give as a number and later ones as an object."""
    value = published.get(key)
    if not isinstance(value, dict):
        return Fields(published, where).integer(key, 224, maximum=MAX_SIZE)
    fields = Fields(value, f"{where}: {key}")
    sides = {fields.integer(name, maximum=MAX_SIZE) for name in inner}
    if len(sides) > 1:
        raise CheckpointError(f"{where}: {key!r} is {value}; only squares are there.")
    return sides.pop()
