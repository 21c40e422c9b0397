"""What comes out of a pipeline, and how a notebook shows it: pictures with their seeds."""

import base64
import html
import io
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL.Image import Image
from torch import Tensor

from kakusan.errors import UnknownNameError, nearest, shown
from kakusan.images import save_image
from kakusan.text import Understanding

_NARROWEST = 200  # pixels of a line under a picture

Images = list[Image] | np.ndarray[Any, Any] | Tensor


@dataclass(eq=False)
class PipelineOutput(ABC):
    """The pictures of one call: by name, or as the values that the reference gives.

    `images` is a list of PIL pictures, or an array (n, h, w, 3) or tensor (n, 3, h, w) in
    [0, 1], or latents, as `output_type` asked. `records` tells, for each picture, all that made it.
    """

    images: Images

    @classmethod
    @abstractmethod
    def of(cls, images: Images, flags: list[bool] | None, records: list[dict[str, Any]]) -> Self:
        """The output of pictures with the flags of a safety checker, if there is one."""

    @abstractmethod
    def to_tuple(self) -> tuple[Any, ...]:
        """The values that `return_dict=False` gives."""

    def keys(self) -> list[str]:
        """What can be asked for by name."""
        return [each.name for each in fields(self)]

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            return self.to_tuple()[key]
        if key not in self.keys():
            raise UnknownNameError(f"the output has no {shown(key)}.{nearest(key, self.keys())}")
        return getattr(self, key)

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.to_tuple())

    def __len__(self) -> int:
        return len(self.to_tuple())

    def _repr_html_(self) -> str | None:
        if not isinstance(self.images, list):
            return None
        records: list[dict[str, Any]] = self["records"]
        return _figures(zip(self.images, records, strict=True))


@dataclass(eq=False)
class StableDiffusionPipelineOutput(PipelineOutput):
    """The pictures of one call: by name, or as the two values `images, nsfw_content_detected`.

    `nsfw_content_detected` has a flag a picture, or is None without a safety checker.
    """

    nsfw_content_detected: list[bool] | None
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @classmethod
    def of(cls, images: Images, flags: list[bool] | None, records: list[dict[str, Any]]) -> Self:
        return cls(images, flags, records)

    def to_tuple(self) -> tuple[Images, list[bool] | None]:
        return self.images, self.nsfw_content_detected


@dataclass(eq=False)
class StableDiffusionXLPipelineOutput(PipelineOutput):
    """The pictures of one call: by name, or as the one value `images`."""

    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @classmethod
    def of(cls, images: Images, flags: list[bool] | None, records: list[dict[str, Any]]) -> Self:  # noqa: ARG003
        return cls(images, records)

    def to_tuple(self) -> tuple[Images]:
        return (self.images,)


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
