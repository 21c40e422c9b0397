"""Pictures that clients send, and how graphs name them.

Each is encoded anew and called by its hash. What a client calls it is a label, under which it finds
its latest picture as long as the server runs.
"""

import asyncio
import io
import os
import re
from collections import OrderedDict

from PIL import Image

from kakusan.errors import InputError, RequestError
from kakusan.server.dialects.comfyui.jobs import Jobs
from kakusan.server.pictures import InputPicture
from kakusan.server.queue.errors import UnknownInput
from kakusan.server.service import Service

INPUT = "input"
_HASHED = re.compile(r"([0-9a-f]{64})\.png")
_ANNOTATED = re.compile(r"(.*) \[(input|output|temp)\]", re.DOTALL)
_MOST_LABELS, _MOST_LISTED = 10_000, 200
_LONGEST = 300  # characters of a label


class Uploads:
    """The pictures of all callers; none finds another's by a label."""

    def __init__(self, service: Service, jobs: Jobs) -> None:
        self._service, self._jobs = service, jobs
        self._labels: OrderedDict[tuple[str, str], str] = OrderedDict()

    async def save(self, client: str, data: bytes, label: str) -> InputPicture:
        """Keep a picture; `label` is how its client calls it.

        Raises:
            InputError: It is no PNG, JPEG or WebP picture, broken, or too large.
        """
        picture = await self._service.put_input(data)
        for name in dict.fromkeys((label, label.rpartition("/")[2], _file(picture.id))):
            self._labels.pop((client, name), None)
            self._labels[client, name[:_LONGEST]] = picture.id
        while len(self._labels) > _MOST_LABELS:
            self._labels.popitem(last=False)
        return picture

    async def save_masked(
        self, client: str, original: InputPicture, mask: bytes, label: str
    ) -> InputPicture:
        """Keep a picture with the transparency of another.

        Raises:
            InputError: One is no picture, or they are of two sizes.
        """
        cover = (await self._service.put_input(mask)).image
        if cover.size != original.image.size:
            raise RequestError(
                f"the mask has {cover.width}x{cover.height} pixels, and its picture "
                f"{original.width}x{original.height}; send one of the same size"
            )
        data = await asyncio.to_thread(_masked, original.image, cover)
        return await self.save(client, data, label)

    def listed(self, client: str) -> list[str]:
        """What `/object_info` offers: the names of a caller's pictures."""
        own = {id: None for (owner, _), id in self._labels.items() if owner == client}
        return [_file(id) for id in own][-_MOST_LISTED:]

    async def find(self, client: str, name: str, kind: str = INPUT) -> InputPicture | None:
        """The picture that a graph or an address means; None where there is none.

        Args:
            name: a hash or a label, with or without a folder; or the name of a picture that was
                drawn, with " [output]" behind it.
            kind: where no such word stands behind it.
        """
        annotated = _ANNOTATED.fullmatch(name)
        if annotated is not None:
            name, kind = annotated[1], annotated[2]
        folder, _, last = name.replace("\\", "/").rpartition("/")
        if kind != INPUT and (found := await self._drawn(client, last, folder, kind)) is not None:
            return found
        hashed = _HASHED.fullmatch(last)
        id = hashed[1] if hashed else None
        for label in (f"{folder}/{last}".strip("/"), last):
            id = id or self._labels.get((client, label[:_LONGEST]))
        if id is None:
            return None
        try:
            await self._service.in_store(self._keep, id)
            return await self._service.input(id)
        except (UnknownInput, OSError):
            return None

    def _keep(self, id: str) -> None:
        """What is used is not swept away soon."""
        os.utime(self._service.files.input(id))

    async def _drawn(
        self, client: str, filename: str, subfolder: str, kind: str
    ) -> InputPicture | None:
        found = await self._jobs.picture(client, filename, subfolder, kind)
        if found is None:
            return None
        try:
            data, _ = await self._service.picture(*found)
        except InputError:
            return None
        return await self._service.put_input(data)


def answer(picture: InputPicture, subfolder: str, kind: str) -> dict[str, str]:
    """What the client is to call it from now on."""
    return {"name": _file(picture.id), "subfolder": subfolder, "type": kind}


def folder_of(subfolder: str) -> str:
    """A client's folder, which is a part of a label and no more."""
    parts = re.split(r"[/\\]", subfolder[:_LONGEST])
    return "/".join(part for part in parts if part.strip(". "))


def as_png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _file(id: str) -> str:
    return f"{id}.png"


def _masked(image: Image.Image, cover: Image.Image) -> bytes:
    covered = image.convert("RGBA")
    covered.putalpha(cover.convert("RGBA").getchannel("A"))
    return as_png(covered)
