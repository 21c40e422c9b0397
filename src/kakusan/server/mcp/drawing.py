"""One call of a drawing tool: a job handed in, watched, and its pictures answered."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, ContentBlock, ImageContent, ResourceLink, TextContent

from kakusan.images import open_picture
from kakusan.server.mcp.shrinking import room_for, shrunk
from kakusan.server.mcp.studio import Drawn, Status, Studio, StudioError
from kakusan.server.mcp.words import address_of, told_picture, told_status

_EVERY = 0.3  # seconds between two looks at a job


async def drawn(
    studio: Studio, settings: Mapping[str, Any], context: "Context[Any, Any]"
) -> CallToolResult:
    """Draw, and answer the pictures; whoever asked may leave, which cancels the job.

    Raises:
        StudioError: Nothing was drawn.
    """
    job = await studio.submit(settings)
    try:
        status = await _finished(studio, job, context)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True), anyio.move_on_after(5):
            await studio.cancel(job)
        raise
    if status.state != "done" or not status.pictures:
        raise StudioError(told_status(status))
    return await shown(studio, status.pictures)


async def _finished(studio: Studio, job: str, context: "Context[Any, Any]") -> Status:
    told: tuple[float, str] = (-1.0, "")
    while True:
        status = await studio.status(job)
        if status.is_final:
            return status
        now = (float(status.step), told_status(status))
        if now[1] != told[1] and now[0] >= told[0]:  # it may never go back
            await context.report_progress(now[0], status.steps or None, now[1])
            told = now
        await anyio.sleep(_EVERY)


async def shown(studio: Studio, pictures: Sequence[Drawn]) -> CallToolResult:
    """Of each picture its settings, a small one to look at, and a link to the whole."""
    content: list[ContentBlock] = []
    for picture in pictures:
        whole = await studio.picture(picture.id, file_format="png", size=None)
        small = await anyio.to_thread.run_sync(_shrunk, whole, room_for(len(pictures)))
        content += [
            TextContent(text=told_picture(picture)),
            ImageContent(data=base64.b64encode(small).decode("ascii"), mime_type="image/webp"),
            ResourceLink(
                uri=address_of(picture.id),
                name=f"{picture.id.job}-{picture.id.index}.png",
                description="The whole picture, with its settings in the file",
                mime_type="image/png",
                size=len(whole),
            ),
        ]
    return CallToolResult(content=content)


def _shrunk(whole: bytes, most_bytes: int) -> bytes:
    return shrunk(open_picture(whole), most_bytes)
