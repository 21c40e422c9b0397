"""Pictures as they are sent: as a body of their own, as a form, or inside JSON."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any, Protocol, cast

from starlette.requests import Request

from kakusan.server.asked import listed
from kakusan.server.errors import FieldError
from kakusan.server.pictures import InputPicture

_ID = re.compile(r"[0-9a-f]{64}")
_DATA = re.compile(r"data:[\w.+/-]{0,100}(?:;[\w=.+-]{1,100})*;base64,", re.IGNORECASE)
_ADDRESS = re.compile(r"\s*(?:https?|ftp|file)://", re.IGNORECASE)
_MOST_FILES, _MOST_FIELDS = 4, 16


class Keeper(Protocol):
    """Keeps pictures that requests are made from, as the service does."""

    async def put_input(self, data: bytes) -> InputPicture: ...

    async def input(self, id: str) -> InputPicture: ...


async def sent_picture(request: Request) -> bytes:
    """The bytes of the one picture in a request: the body itself, or a file in a form.

    Raises:
        FieldError: There is none, or more than one.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != "multipart/form-data":
        if not (body := await request.body()):
            raise FieldError("body", "the body is empty; send a PNG, JPEG or WebP picture")
        return body
    async with request.form(max_files=_MOST_FILES, max_fields=_MOST_FIELDS) as form:
        files = [each for _, each in form.multi_items() if not isinstance(each, str)]
        if len(files) != 1:
            raise FieldError("body", f"the form has {len(files)} files; send one picture")
        return await files[0].read()


async def with_pictures(sent: Mapping[str, Any], keeper: Keeper) -> dict[str, Any]:
    """The fields of a job, with its pictures in place of ids and base64.

    Raises:
        InputError: One is neither, or no picture.
    """
    found = dict(sent)
    for field in ("image", "mask"):
        if found.get(field) is not None:
            found[field] = await _pictures(field, found[field], keeper)
    for field, inner in (("controls", "image"), ("image_prompts", "images")):
        if found.get(field) is not None:
            found[field] = [
                await _inside(field, each, inner, keeper) for each in listed(found[field])
            ]
    return found


async def _inside(field: str, given: object, inner: str, keeper: Keeper) -> object:
    if not isinstance(given, dict):
        return given
    told = cast("dict[str, Any]", given)
    if told.get(inner) is None:
        return told
    return {**told, inner: await _pictures(field, told[inner], keeper)}


async def _pictures(field: str, given: object, keeper: Keeper) -> object:
    if isinstance(given, list):
        return [await _picture(field, each, keeper) for each in cast("list[object]", given)]
    return await _picture(field, given, keeper)


async def _picture(field: str, given: object, keeper: Keeper) -> InputPicture | str:
    if not isinstance(given, str):
        raise FieldError(field, f"{field} must be the id of an input, or a picture in base64")
    if field == "mask" and is_shape(given):
        return given
    if _ID.fullmatch(given):
        return await keeper.input(given)
    if _ADDRESS.match(given):
        raise FieldError(
            field, f"{field} is an address, and none is fetched; send the picture itself"
        )
    return await keeper.put_input(decoded(field, given))


def is_shape(text: str) -> bool:
    """Whether a mask is said in words, such as "alpha" and "box:0,0,64,64"."""
    from kakusan.inputs.shapes import is_shape as is_known

    return is_known(text)


def decoded(field: str, text: str) -> bytes:
    """What base64 stands for, with or without `data:image/png;base64,` before it.

    Raises:
        FieldError: It is no base64.
    """
    bare = text[match.end() :] if (match := _DATA.match(text)) else text
    try:
        return base64.b64decode("".join(bare.split()), validate=True)
    except (binascii.Error, ValueError):
        raise FieldError(
            field, f"{field} is neither the id of an input nor a picture in base64"
        ) from None
