"""Pictures that are only looked at or made larger: no job, no model."""

import asyncio
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from PIL import Image

from kakusan.errors import InputError
from kakusan.images import read_parameters
from kakusan.images.carriers import texts_of
from kakusan.images.preprocessing import preprocessed
from kakusan.images.upright import over_white
from kakusan.request.preprocessors import made_by
from kakusan.server.dialects.a1111.controls import kind_of
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.extras import enlarged, enlarging
from kakusan.server.dialects.a1111.pictures import picture_bytes, picture_text
from kakusan.server.dialects.a1111.png_info import parameters_of
from kakusan.server.service import Service

_MOST_PICTURES = 100
_DETECT = {
    "controlnet_module": "module",
    "controlnet_threshold_a": "threshold_a",
    "controlnet_threshold_b": "threshold_b",
    "controlnet_processor_res": "processor_res",
}


async def png_info(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What the text in a picture tells."""
    image = sent.get("image")
    if not isinstance(image, str) or not image.strip():
        return {"info": "", "items": {}, "parameters": {}}
    data = await asyncio.to_thread(picture_bytes, "image", image)
    return await asyncio.to_thread(_told, data)


async def single(service: Service, sent: Mapping[str, Any]) -> dict[str, Any]:
    """One picture, made larger."""
    how = enlarging(sent)
    image = await _decoded(service, "image", sent.get("image"))
    larger = await asyncio.to_thread(enlarged, image, how)
    text = await asyncio.to_thread(_encoded, larger) if how.shown else ""
    return {"html_info": _html(image, larger), "image": text}


async def batch(service: Service, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Several pictures, made larger one after the other."""
    how = enlarging(sent)
    given = sent.get("imageList")
    if not isinstance(given, list) or not given:
        raise refused("imageList must be a list of objects with data and name")
    several = cast("list[object]", given)
    if len(several) > _MOST_PICTURES:
        raise refused(f"imageList has {len(several)} pictures; at most {_MOST_PICTURES} are taken")
    texts: list[str] = []
    lines: list[str] = []
    for each in several:
        data = cast("dict[str, Any]", each).get("data") if isinstance(each, dict) else None
        image = await _decoded(service, "imageList", data)
        larger = await asyncio.to_thread(enlarged, image, how)
        texts.append(await asyncio.to_thread(_encoded, larger))
        lines.append(_html(image, larger))
    return {"html_info": "".join(lines), "images": texts if how.shown else []}


async def detect(service: Service, sent: Mapping[str, Any]) -> dict[str, Any]:
    """Control pictures made of others, as ControlNet's preprocessors make them."""
    said = {ours: sent[name] for name, ours in _DETECT.items() if sent.get(name) is not None}
    kind, _ = kind_of("controlnet", said)
    made = made_by(kind)
    given = sent.get("controlnet_input_images") or sent.get("controlnet_images")
    if not isinstance(given, list) or not given:
        raise refused("controlnet_input_images must be a list of pictures")
    several = cast("list[object]", given)[:_MOST_PICTURES]
    texts: list[str] = []
    for each in several:
        image = await _decoded(service, "controlnet_input_images", each)
        found = await asyncio.to_thread(preprocessed, over_white(image), made.name, made.values)
        texts.append(await asyncio.to_thread(_encoded, found))
    return {"images": texts, "info": "Success"}


async def _decoded(service: Service, name: str, sent: object) -> Image.Image:
    data = await asyncio.to_thread(picture_bytes, name, sent)
    return (await service.put_input(data)).image


def _encoded(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return picture_text(file.getvalue())


def _html(before: Image.Image, after: Image.Image) -> str:
    (width, height), (wide, high) = before.size, after.size
    return f"<p>{width}x{height} to {wide}x{high}</p>"


def _told(data: bytes) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(data)
        try:
            text = read_parameters(path) or ""
            items = dict(texts_of(path).found)
        except InputError as error:
            raise refused(f"Invalid encoded image: {error}") from None
    named = {place.partition(":")[2]: each for place, each in items.items()}
    return {"info": text, "items": {"parameters": text, **named}, "parameters": parameters_of(text)}
