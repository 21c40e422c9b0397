"""How pictures are prepared for CLIP, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from PIL import Image

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown

CONFIG_FILE = "preprocessor_config.json"
MAX_SIZE = 4096
STEPS = ("resize", "center_crop", "rescale", "normalize")
# What other processors of the reference do besides
NOT_THERE = ("do_pad", "use_square_size")

Size = tuple[int, int]  # height and width


@dataclass(frozen=True, kw_only=True)
class ImageProcessorConfig:
    """How pictures are prepared; the defaults are CLIP's.

    Attributes:
        size: the shorter side after resizing, or exactly this height and width; None leaves the
            size.
        crop_size: height and width of what is cut from the middle, a number for both; None leaves
            the shape.
        resample: Pillow's number of the filter; 3 is bicubic.
        rescale_factor: what pixel values 0 to 255 are multiplied with.
        image_mean: subtracted, for red, green and blue.
        image_std: what is divided by after that.
    """

    size: int | Size | None = 224
    crop_size: int | Size | None = 224
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
        for key in NOT_THERE:
            if fields.boolean(key, False):
                raise CheckpointError(f"{where}: {key!r} is true, which kakusan cannot do.")
        # a null switch is off, an absent one on
        on = {step: fields.boolean(key := f"do_{step}", key not in published) for step in STEPS}
        plain = cls()
        std = _colours(fields, "image_std", plain.image_std)
        if min(std) <= 0:
            raise CheckpointError(f"{where}: 'image_std' is {shown(std)}; it must be positive.")
        size = _size(fields)
        if isinstance(size, int) and fields.boolean("default_to_square", False):
            size = (size, size) if isinstance(published.get("size"), int) else size
        mean = _colours(fields, "image_mean", plain.image_mean)
        return cls(
            size=size if on["resize"] else None,
            crop_size=_crop_size(fields) if on["center_crop"] else None,
            resample=fields.integer("resample", 3, minimum=0, maximum=5),
            rescale_factor=fields.number("rescale_factor", 1 / 255) if on["rescale"] else 1.0,
            image_mean=mean if on["normalize"] else (0.0, 0.0, 0.0),
            image_std=std if on["normalize"] else (1.0, 1.0, 1.0),
        )

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        size, crop = self.size or 224, self.crop_size or 224
        return {
            "crop_size": _sides((crop, crop) if isinstance(crop, int) else crop),
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
            "size": {"shortest_edge": size} if isinstance(size, int) else _sides(size),
        }


def _sides(size: Size) -> JSON:
    return {"height": size[0], "width": size[1]}


def _colours(fields: Fields, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
    """A number for each of red, green and blue, or one for all of them."""
    if isinstance(fields.json.get(key), int | float):
        return (fields.number(key),) * 3
    return fields.numbers(key, default, length=3)


def _size(fields: Fields) -> int | Size:
    """A shorter side or exact sides: a number, two numbers, or an object with their names."""
    value = fields.json.get("size")
    if isinstance(value, dict) and value.keys() == {"shortest_edge"}:
        return fields.part("size").integer("shortest_edge", maximum=MAX_SIZE)
    return _number_or_sides(fields, "size", "{'shortest_edge'}")


def _crop_size(fields: Fields) -> int | Size:
    sides = _number_or_sides(fields, "crop_size", "a number")
    return sides[0] if isinstance(sides, tuple) and sides[0] == sides[1] else sides


def _number_or_sides(fields: Fields, key: str, other: str) -> int | Size:
    """A number, or height and width by name or in this order."""
    value = fields.json.get(key)
    if isinstance(value, list):
        height, width = fields.integers(key, length=2, maximum=MAX_SIZE)
        return height, width
    if not isinstance(value, dict):
        return fields.integer(key, 224, maximum=MAX_SIZE)
    if value.keys() != {"height", "width"}:
        raise CheckpointError(
            f"{fields.where}: {key!r} is {shown(value)}; it must be {other} or have 'height' and "
            "'width'."
        )
    part = fields.part(key)
    return part.integer("height", maximum=MAX_SIZE), part.integer("width", maximum=MAX_SIZE)
