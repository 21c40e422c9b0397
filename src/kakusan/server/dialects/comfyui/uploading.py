"""`/upload/image` and `/upload/mask`: forms with a picture, which is kept under its hash."""

from typing import Any, cast

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kakusan.errors import InputError, RequestError
from kakusan.server.access import parsed
from kakusan.server.dialects.comfyui.uploads import INPUT, Uploads, answer, folder_of

_KINDS = (INPUT, "temp", "output")
_MOST_FILES, _MOST_FIELDS = 4, 20
_LONGEST_FIELD = 100_000


async def upload(uploads: Uploads, client: str, request: Request) -> Response:
    """Keep the picture in the field `image`."""
    async with _form(request) as form:
        data, name = await _picture_in(form)
        kind, folder = _placed(form)
        picture = await uploads.save(client, data, f"{folder}/{name}".strip("/"))
        return JSONResponse(answer(picture, folder, kind))


async def upload_mask(uploads: Uploads, client: str, request: Request) -> Response:
    """Keep the picture of `original_ref` with the transparency of the one in `image`."""
    async with _form(request) as form:
        data, name = await _picture_in(form)
        kind, folder = _placed(form)
        told = parsed(_text_in(form, "original_ref").encode() or b"null")
        reference = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
        where = f"{reference.get('subfolder') or ''}/{reference.get('filename') or ''}"
        from_ = str(reference.get("type") or "output")
        original = await uploads.find(client, where.strip("/"), from_)
        if original is None:
            raise RequestError(
                "original_ref names no picture that was sent or drawn; give the filename, "
                "subfolder and type that the server answered"
            )
        label = f"{folder}/{name}".strip("/")
        picture = await uploads.save_masked(client, original, data, label)
        return JSONResponse(answer(picture, folder, kind))


def _form(request: Request) -> Any:
    return request.form(
        max_files=_MOST_FILES, max_fields=_MOST_FIELDS, max_part_size=_LONGEST_FIELD
    )


async def _picture_in(form: FormData) -> tuple[bytes, str]:
    """A picture's bytes, and how its client calls it."""
    file = form.get("image")
    if not isinstance(file, UploadFile):
        raise RequestError("the form has no picture in its field image; send one as a file")
    return await file.read(), file.filename or ""


def _placed(form: FormData) -> tuple[str, str]:
    """The kind and the folder, which an answer says again."""
    kind = _text_in(form, "type") or INPUT
    if kind not in _KINDS:
        raise InputError(f"type must be one of {', '.join(_KINDS)}")
    return kind, folder_of(_text_in(form, "subfolder"))


def _text_in(form: FormData, name: str) -> str:
    found = form.get(name)
    return found if isinstance(found, str) else ""
