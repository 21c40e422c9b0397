"""Pictures: those of jobs, those that jobs are made from, and what a file tells of itself."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from kakusan.server.access import caller_of
from kakusan.server.api.schema import INPUT, PICTURE, PICTURE_BODY, TOLD, described
from kakusan.server.api.sent import sent_picture
from kakusan.server.errors import UnknownFile
from kakusan.server.pictures import LEAST_SIDE, MEDIA_TYPES, MOST_SIDE
from kakusan.server.queue.errors import UnknownInput
from kakusan.server.service import Service

# A picture of a number never changes, and nobody but its caller's browser may keep it
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}


def router(service: Service) -> APIRouter:
    """`/v1/jobs/{id}/pictures/{i}`, `/v1/inputs`, `/v1/read`."""
    found = APIRouter(tags=["pictures"])

    @found.get("/v1/jobs/{id}/pictures/{index}", **PICTURE)
    async def picture(
        request: Request,
        id: str,
        index: int,
        format: Annotated[str, Query(pattern="^(png|jpeg|jpg|webp)$")] = "png",
        size: Annotated[int | None, Query(ge=LEAST_SIDE, le=MOST_SIDE)] = None,
    ) -> Response:
        """A finished picture; `size` is of its longer side, in pixels."""
        job = await service.job(id, client=caller_of(request).name)
        stored = next((each for each in job.pictures if each.index == index), None)
        tag = None if stored is None else f'"{stored.sha256[:32]}-{format}-{size or 0}"'
        if tag is not None and request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={**FOREVER, "ETag": tag})
        data, kind = await service.picture(job, index, format=format, size=size)
        ending = kind.rpartition("/")[2]
        named = {"Content-Disposition": f'inline; filename="kakusan-{id[:8]}-{index}.{ending}"'}
        return Response(data, media_type=kind, headers={**FOREVER, **named, "ETag": tag or ""})

    @found.post("/v1/inputs", status_code=201, **described(PICTURE_BODY, 201, INPUT))
    async def put_input(request: Request) -> Response:
        """Hand in a picture that jobs are made from: as the body, or as a form's one file."""
        kept = await service.put_input(await sent_picture(request))
        told = {"id": kept.id, "width": kept.width, "height": kept.height}
        return JSONResponse(told, 201, {"Location": f"/v1/inputs/{kept.id}"})

    @found.get("/v1/inputs/{id}", **PICTURE)
    async def given(id: str) -> Response:
        """A picture that was handed in, as it is kept."""
        try:
            data = await service.in_store(lambda: service.files.input(id).read_bytes())
        except (UnknownInput, OSError):
            raise UnknownFile("there is no input of this id") from None
        return Response(data, media_type=MEDIA_TYPES["png"], headers=FOREVER)

    @found.post("/v1/read", **described(PICTURE_BODY, 200, TOLD))
    async def read(request: Request) -> Response:
        """How a picture was made, as its file tells it: of ours, and of other tools'."""
        return JSONResponse(await service.read(await sent_picture(request)))

    return found
