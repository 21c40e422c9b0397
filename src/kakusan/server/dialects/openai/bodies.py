"""What a request carries: JSON, or a form with files."""

from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from kakusan.server.access import json_of
from kakusan.server.dialects.openai.failures import Refusal, invalid
from kakusan.server.dialects.openai.forms import Form, read_form

_MOST_FILES, _MOST_FIELDS, _MOST_TEXT = 20, 64, 200_000


async def read_json(request: Request) -> dict[str, object]:
    """The object in a body.

    Raises:
        InputError: There is no JSON, or none that is taken.
        Refusal: It is something else than an object.
    """
    found = await json_of(request)
    if not isinstance(found, dict):
        raise invalid("the body must be a JSON object", code="no_json")
    return cast("dict[str, object]", found)


async def read_multipart(request: Request) -> Form:
    """The fields and files of a form.

    Raises:
        Refusal: There are none, or one cannot be used.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    if kind != "multipart/form-data":
        raise invalid(
            "the body must be a form with files, with Content-Type: multipart/form-data",
            code="no_form",
        )
    limits: dict[str, Any] = {
        "max_files": _MOST_FILES,
        "max_fields": _MOST_FIELDS,
        "max_part_size": _MOST_TEXT,
    }
    try:
        async with request.form(**limits) as parts:
            return read_form(
                [
                    (name, await value.read() if isinstance(value, UploadFile) else value)
                    for name, value in parts.multi_items()
                ]
            )
    except HTTPException as error:
        raise Refusal(str(error.detail), status=error.status_code, code="no_form") from None
