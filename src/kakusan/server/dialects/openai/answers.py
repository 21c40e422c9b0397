"""From a finished job to what OpenAI's clients read."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kakusan.server.dialects.openai.asking import Wanted
from kakusan.server.queue.job import Job, StoredPicture

_CELL = 8  # pixels of a side that one cell of the latents is

Kind = Literal["image_generation", "image_edit"]


@dataclass(frozen=True)
class Tokens:
    """What a request takes in: tokens of the text encoder, and cells of the picture's latents."""

    text: int
    image: int = 0

    def usage(self, pictures: Iterable[StoredPicture]) -> dict[str, Any]:
        """With the cells that came out; none of it compares with what OpenAI counts."""
        out = sum(cells(each.width, each.height) for each in pictures)
        taken = self.text + self.image
        return {
            "input_tokens": taken,
            "input_tokens_details": {"text_tokens": self.text, "image_tokens": self.image},
            "output_tokens": out,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": out},
            "total_tokens": taken + out,
        }


def cells(width: int, height: int) -> int:
    """Of the latents of a picture."""
    return -(-width // _CELL) * -(-height // _CELL)


def images_response(
    job: Job, wanted: Wanted, tokens: Tokens, given: Sequence[Mapping[str, str]]
) -> dict[str, Any]:
    """The answer to a request that does not stream.

    Args:
        given: what each picture is answered as.
    """
    data = [
        {**each, "seed": picture.record.get("seed")}
        for each, picture in zip(given, job.pictures, strict=True)
    ]
    return {
        "created": int(job.created),
        "data": data,
        **_told(job.pictures[0], wanted),
        "usage": tokens.usage(job.pictures),
    }


def partial_event(
    kind: Kind, wanted: Wanted, data: bytes, *, index: int, size: str, at: float
) -> dict[str, Any]:
    """A half-drawn picture in a stream."""
    return {
        "type": f"{kind}.partial_image",
        "b64_json": as_base64(data),
        "partial_image_index": index,
        "created_at": int(at),
        "size": size,
        "quality": wanted.quality,
        "background": "opaque",
        "output_format": wanted.output_format,
    }


def completed_event(
    kind: Kind, wanted: Wanted, picture: StoredPicture, data: bytes, *, tokens: Tokens, at: float
) -> dict[str, Any]:
    """A finished picture in a stream."""
    return {
        "type": f"{kind}.completed",
        "b64_json": as_base64(data),
        "created_at": int(at),
        "seed": picture.record.get("seed"),
        **_told(picture, wanted),
        "usage": tokens.usage([picture]),
    }


def _told(picture: StoredPicture, wanted: Wanted) -> dict[str, Any]:
    told: Mapping[str, Any] = {
        "model": picture.record.get("model"),
        "background": "opaque",
        "output_format": wanted.output_format,
        "quality": wanted.quality,
        "size": f"{picture.width}x{picture.height}",
    }
    named = wanted.identifier
    return {**told, **({} if named is None else {"safety_identifier": named})}


def as_base64(data: bytes) -> str:
    """As JSON carries a file."""
    return base64.b64encode(data).decode("ascii")
