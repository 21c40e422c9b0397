"""Finished and half-drawn pictures as files of the format that was asked for."""

from kakusan.images import open_picture
from kakusan.images.metadata import encoded
from kakusan.server.queue.job import Job
from kakusan.server.service import Service


async def finished_file(
    service: Service, job: Job, index: int, output_format: str, compression: int
) -> bytes:
    """A finished picture, with its record in the file.

    Raises:
        UnknownFile: There is none of this number.
    """
    png, _ = await service.picture(job, index)
    if output_format == "png":
        return png
    record = next(dict(each.record) for each in job.pictures if each.index == index)
    return await service.in_pictures(_converted, png, output_format, compression, record)


async def partial_file(
    service: Service, preview: bytes, output_format: str, compression: int
) -> bytes:
    """A half-drawn picture, small, with nothing but pixels in the file."""
    return await service.in_pictures(_converted, preview, output_format, compression, None)


def _converted(
    data: bytes, output_format: str, compression: int, record: dict[str, object] | None
) -> bytes:
    return encoded(open_picture(data), output_format.upper(), record, max(1, compression))
