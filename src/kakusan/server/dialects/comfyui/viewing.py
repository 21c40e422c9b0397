"""`/view`: a picture by the name that an answer gave it, which is looked up and never a path."""

import asyncio
import io
from collections.abc import Mapping
from urllib.parse import quote

from PIL import Image
from starlette.requests import Request
from starlette.responses import Response

from kakusan.images import open_picture
from kakusan.server.dialects.comfyui.jobs import Jobs
from kakusan.server.dialects.comfyui.uploads import INPUT, Uploads, as_png
from kakusan.server.service import Service

_KINDS = (INPUT, "output", "temp")
_PREVIEWS: Mapping[str, str] = {"webp": "WEBP", "jpeg": "JPEG"}


async def view(
    service: Service, jobs: Jobs, uploads: Uploads, client: str, request: Request
) -> Response:
    """The bytes of a picture; 404 where no picture of the caller's has this name."""
    asked = request.query_params
    filename, subfolder = asked.get("filename", ""), asked.get("subfolder", "")
    kind = asked.get("type") or "output"
    for each in _KINDS:
        if filename.endswith(f" [{each}]"):
            filename, kind = filename.removesuffix(f" [{each}]"), each
    if not filename or kind not in _KINDS:
        return Response(status_code=400)
    found = await jobs.picture(client, filename, subfolder, kind)
    if found is not None:
        data, media_type = await service.picture(*found)
    else:
        name = f"{subfolder}/{filename}".strip("/")
        picture = await uploads.find(client, name) if kind != "output" else None
        if picture is None:
            return Response(status_code=404)
        data, media_type = await asyncio.to_thread(as_png, picture.image), "image/png"
    wanted, channel = asked.get("preview"), asked.get("channel", "rgba")
    if wanted is not None or channel in ("rgb", "a"):
        data, media_type = await service.in_pictures(_made, data, wanted, channel)
    headers = {"Content-Disposition": f"inline; filename*=UTF-8''{quote(filename)}"}
    return Response(data, media_type=media_type, headers=headers)


def _made(data: bytes, wanted: str | None, channel: str) -> tuple[bytes, str]:
    """One of our own pictures as ComfyUI makes it for a preview, or a part of its channels."""
    image = open_picture(data)
    image = image.convert("RGBA" if "A" in image.getbands() else "RGB")
    if channel == "a":
        covered = Image.new("RGBA", image.size)
        alpha = image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)
        covered.putalpha(alpha)
        image = covered
    elif channel == "rgb":
        image = image.convert("RGB")
    if wanted is None:
        return as_png(image), "image/png"
    kind, _, quality = wanted.partition(";")
    kind = kind if kind in _PREVIEWS and channel != "a" else "webp"
    image = image.convert("RGB") if kind == "jpeg" else image
    level = int(quality) if quality.isascii() and quality.isdecimal() and len(quality) < 4 else 90
    buffer = io.BytesIO()
    image.save(buffer, _PREVIEWS[kind], quality=min(max(level, 1), 100))
    return buffer.getvalue(), f"image/{kind}"
