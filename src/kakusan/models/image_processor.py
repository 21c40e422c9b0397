"""What a picture goes through before CLIP's picture tower sees it."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from kakusan.checkpoints.arguments import WEIGHTLESS_LOADING, check_published, token_of
from kakusan.checkpoints.files import read_json, write_json
from kakusan.checkpoints.source import locate
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.errors import RequestError, shown
from kakusan.models.image_processor_config import CONFIG_FILE, ImageProcessorConfig
from kakusan.results import named

ARGUMENTS = (
    *("subfolder", "revision", "token", "cache_dir", "local_files_only", "force_download"),
)


@named
class ProcessedImages(NamedTuple):
    """What the processor gives.

    Attributes:
        pixel_values: shape (batch, 3, crop_size, crop_size), float32.
    """

    pixel_values: Tensor

    def to(self, device: torch.device | str) -> "ProcessedImages":
        """The same on a device."""
        return ProcessedImages(self.pixel_values.to(device))


class CLIPImageProcessor(Sendable):
    """Resizes, crops and normalises pictures as CLIP was trained on them."""

    def __init__(self, config: ImageProcessorConfig | None = None) -> None:
        self.config = config or ImageProcessorConfig()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        **published: object,
    ) -> Self:
        """Read `preprocessor_config.json` of a folder or Hub model.

        Args:
            published: what the reference takes and changes nothing here.

        Raises:
            CheckpointError: the file is missing, broken, or has values that are not supported.
            UnknownArgumentError: an argument that does not exist.
        """
        check_published(f"{cls.__name__}.from_pretrained", published, WEIGHTLESS_LOADING, ARGUMENTS)
        folder = locate(
            pretrained_model_name_or_path,
            subfolder=subfolder,
            revision=revision,
            token=token_of(token, published),
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        ).folder
        path = folder / CONFIG_FILE
        return cls(ImageProcessorConfig.from_published(read_json(path), str(path)))

    def save_pretrained(
        self, save_directory: str | PathLike[str], *, push_to_hub: bool = False, **options: Any
    ) -> None:
        """Write `preprocessor_config.json`, which the reference library reads too.

        Args:
            push_to_hub: sends the files to the Hugging Face Hub too; `options` are then those of
                `push_to_hub`, with `repo_id`.

        Raises:
            OutputError: the folder cannot be written.
        """
        what, folder = type(self).__name__, Path(save_directory)
        upload = upload_asked(f"{what}.save_pretrained", push_to_hub, folder, options)

        def write(stage: Path) -> None:
            write_json(stage / CONFIG_FILE, self.config.to_published())

        save_whole(folder, CONFIG_FILE, write, upload, what)

    def __call__(
        self, images: Image.Image | Sequence[Image.Image], *, return_tensors: str = "pt"
    ) -> ProcessedImages:
        """Prepare one picture or several.

        Raises:
            RequestError: `return_tensors` is not "pt", or something is no picture.
        """
        if return_tensors != "pt":
            raise RequestError(f"return_tensors is {shown(return_tensors)}; only 'pt' is there")
        several = [images] if isinstance(images, Image.Image) else images
        for each in several:
            if not isinstance(each, Image.Image):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise RequestError(
                    f"pictures are PIL's, not {type(each).__name__}; PIL.Image.fromarray makes one"
                )
        prepared = [self._prepared(image) for image in several]
        if len({image.shape for image in prepared}) > 1:
            raise RequestError("pictures of different sizes stay so without do_center_crop")
        return ProcessedImages(torch.stack(prepared))

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
