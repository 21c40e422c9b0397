"""`pipe.image_processor`: pictures to what the VAE takes, and back, under the reference's names."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from kakusan.errors import RequestError, nearest, shown

Array: TypeAlias = npt.NDArray[Any]
Pictures: TypeAlias = Image.Image | Array | Tensor | Sequence[Image.Image | Array | Tensor]
OUTPUT_TYPES = ("pil", "np", "pt", "latent")
RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "nearest": Image.Resampling.NEAREST,
}


@dataclass(frozen=True)
class VaeImageProcessor:
    """Turns PIL pictures, arrays (n, h, w, c) and tensors (n, c, h, w) into one another.

    Args:
        do_resize: whether `preprocess` brings pictures to the asked size, or to the nearest smaller
            multiple of `vae_scale_factor`.
        resample: of PIL pictures: lanczos, bicubic, bilinear or nearest.
        do_normalize: whether values in [0, 1] become [-1, 1], and back.
        do_binarize: whether values become 0 below 0.5, else 1, as of a mask.
        do_convert_rgb, do_convert_grayscale: what mode PIL pictures are brought into.

    Raises:
        RequestError: There is no such resampling, or both modes are asked for.
    """

    do_resize: bool = True
    vae_scale_factor: int = 8
    resample: str = "lanczos"
    do_normalize: bool = True
    do_binarize: bool = False
    do_convert_rgb: bool = False
    do_convert_grayscale: bool = False

    def __post_init__(self) -> None:
        if self.resample not in RESAMPLING:
            found = nearest(str(self.resample), RESAMPLING)
            raise RequestError(f"resample has no {shown(self.resample)}.{found}")
        if self.do_convert_rgb and self.do_convert_grayscale:
            raise RequestError("do_convert_rgb and do_convert_grayscale contradict each other")

    def preprocess(
        self, image: Pictures, height: int | None = None, width: int | None = None
    ) -> Tensor:
        """What the VAE encodes: shape (n, c, height, width), in [-1, 1] if `do_normalize`.

        Args:
            image: with values in [0, 1] where it is no PIL picture. Latents, tensors of four
                channels, stay as they are.
        """
        several = [image] if isinstance(image, Image.Image | np.ndarray | Tensor) else list(image)
        if not several:
            raise RequestError("preprocess was given no picture")
        if all(isinstance(each, Image.Image) for each in several):
            pil = cast("list[Image.Image]", several)
            if self.do_resize:
                size = self.get_default_height_width(pil[0], height, width)
                pil = [self.resize(each, *size) for each in pil]
            tensor = self.numpy_to_pt(self.pil_to_numpy([self._in_mode(each) for each in pil]))
        else:
            tensor = torch.cat([self._batch(each) for each in several])
            if tensor.shape[1] == 4:
                return tensor
            if self.do_resize:
                size = self.get_default_height_width(tensor, height, width)
                tensor = self.resize(tensor, *size)
        if self.do_normalize and float(tensor.min()) >= 0.0:
            tensor = self.normalize(tensor)
        return self.binarize(tensor) if self.do_binarize else tensor

    def postprocess(
        self,
        image: Tensor,
        output_type: str = "pil",
        do_denormalize: Sequence[bool] | None = None,
    ) -> Any:
        """What users want of decoded pictures (n, c, height, width).

        Args:
            output_type: "pil", "np", "pt", or "latent", which stay as they are.
            do_denormalize: of each picture, whether it is in [-1, 1]; as `do_normalize` says where
                not given.
        """
        if not isinstance(image, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(f"postprocess takes a tensor, not {shown(image)}")
        if output_type not in OUTPUT_TYPES:
            found = nearest(str(output_type), OUTPUT_TYPES)
            raise RequestError(f"there is no output_type {shown(output_type)}.{found}")
        if output_type == "latent":
            return image
        wanted = [self.do_normalize] * len(image) if do_denormalize is None else do_denormalize
        pairs = zip(image, wanted, strict=True)
        tensor = torch.stack([self.denormalize(each) if yes else each for each, yes in pairs])
        if output_type == "pt":
            return tensor
        array = self.pt_to_numpy(tensor)
        return array if output_type == "np" else self.numpy_to_pil(array)

    def get_default_height_width(
        self,
        image: Image.Image | Array | Tensor,
        height: int | None = None,
        width: int | None = None,
    ) -> tuple[int, int]:
        """The asked height and width, or the picture's own, rounded down to what the VAE takes."""
        own = image.size[::-1] if isinstance(image, Image.Image) else _sides(image)
        sizes = (own[0] if height is None else height, own[1] if width is None else width)
        rounded = [size - size % self.vae_scale_factor for size in sizes]
        if min(rounded) < 1:
            raise RequestError(
                f"a picture of {sizes[1]} x {sizes[0]} is smaller than {self.vae_scale_factor}"
            )
        return rounded[0], rounded[1]

    def resize(self, image: Any, height: int, width: int) -> Any:
        """A PIL picture, array or tensor of another size, in its own kind."""
        if isinstance(image, Image.Image):
            return image.resize((width, height), RESAMPLING[self.resample])
        if isinstance(image, Tensor):
            return F.interpolate(image, size=(height, width))
        return self.pt_to_numpy(F.interpolate(self.numpy_to_pt(image), size=(height, width)))

    def _in_mode(self, image: Image.Image) -> Image.Image:
        if self.do_convert_rgb:
            return self.convert_to_rgb(image)
        return self.convert_to_grayscale(image) if self.do_convert_grayscale else image

    def _batch(self, image: object) -> Tensor:
        if isinstance(image, np.ndarray) and image.ndim in (3, 4):
            array = cast("Array", image)
            return self.numpy_to_pt(array if array.ndim == 4 else array[None])
        if isinstance(image, Tensor) and image.ndim in (3, 4):
            return image if image.ndim == 4 else image[None]
        raise RequestError(
            "pictures must be PIL pictures, arrays (n, h, w, c) or tensors (n, c, h, w), all of "
            f"one kind, not {shown(image)}"
        )

    @staticmethod
    def normalize(images: Any) -> Any:
        """From [0, 1] to [-1, 1]."""
        return 2.0 * images - 1.0

    @staticmethod
    def denormalize(images: Any) -> Any:
        """From [-1, 1] to [0, 1]; what lies outside is clipped."""
        return (images * 0.5 + 0.5).clip(0, 1)

    @staticmethod
    def binarize(image: Tensor) -> Tensor:
        """0 where a value is below 0.5, else 1."""
        return (image >= 0.5).to(image)

    @staticmethod
    def convert_to_rgb(image: Image.Image) -> Image.Image:
        return image.convert("RGB")

    @staticmethod
    def convert_to_grayscale(image: Image.Image) -> Image.Image:
        return image.convert("L")

    @staticmethod
    def blur(image: Image.Image, blur_factor: int = 4) -> Image.Image:
        """A picture, such as a mask, blurred by a Gaussian of this deviation in pixels."""
        return image.filter(ImageFilter.GaussianBlur(blur_factor))

    @staticmethod
    def pil_to_numpy(images: Image.Image | Sequence[Image.Image]) -> Array:
        """Shape (n, h, w, c) in [0, 1], or (n, h, w) of grey ones."""
        several = [images] if isinstance(images, Image.Image) else images
        arrays = [np.asarray(each).astype(np.float32) / 255.0 for each in several]
        if len({array.shape for array in arrays}) != 1:
            raise RequestError(
                "the pictures are of different sizes or modes; make them alike first"
            )
        return np.stack(arrays)

    @staticmethod
    def numpy_to_pt(images: Array) -> Tensor:
        """From (n, h, w, c), or (n, h, w) of grey ones, to (n, c, h, w)."""
        batch = images[..., None] if images.ndim == 3 else images
        return torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))

    @staticmethod
    def pt_to_numpy(images: Tensor) -> Array:
        """From (n, c, h, w) to (n, h, w, c)."""
        return images.detach().cpu().permute(0, 2, 3, 1).float().numpy()

    @staticmethod
    def numpy_to_pil(images: Array) -> list[Image.Image]:
        """From (n, h, w, c), or one picture (h, w, c), in [0, 1]; one channel becomes grey."""
        batch = images[None] if images.ndim == 3 else images
        levels = (batch * 255).round().astype(np.uint8)
        return [Image.fromarray(each[..., 0] if each.shape[-1] == 1 else each) for each in levels]


def _sides(image: Array | Tensor) -> tuple[int, int]:
    height, width = image.shape[-2:] if isinstance(image, Tensor) else image.shape[-3:-1]
    return int(height), int(width)
