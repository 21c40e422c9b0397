"""What to hand in for a job once more: its settings, with the ids of its pictures."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from kakusan.request import PictureFile, Request
from kakusan.server.fields import ALLOWED, CONTROL_FIELDS, IMAGE_PROMPT_FIELDS, PICTURED
from kakusan.server.pictures import png_of
from kakusan.server.queue.errors import UnknownInput
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job


def asked_again(job: Job, files: Files) -> dict[str, Any]:
    """The settings that a job was asked with, as `kakusan.server.asked` takes them.

    The seed is among them, so that the same is drawn; pictures are ids of those that are kept.

    Raises:
        UnknownInput: A picture is not kept any more.
        InputError: A picture's file is broken.
    """
    record = job.submission.request
    told = {n: value for n, value in record.items() if n in ALLOWED and value is not None}
    if not PICTURED & told.keys():
        return told
    return told | _Kept(job, files).pictures(Request.from_record(record), record)


class _Kept:
    """The pictures of a job, found by what its request tells of them."""

    def __init__(self, job: Job, files: Files) -> None:
        from kakusan.inputs.pictures import given_pictures, joined

        self._files = files
        found = {
            id: given_pictures("inputs", [os.fspath(files.input(id))], files=True)
            for id in job.submission.inputs
        }
        self._parts = {id: given for id, given in found.items() if given is not None}
        self._all = joined(list(self._parts.values())) if self._parts else None

    def pictures(self, request: Request, record: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that name pictures."""
        found: dict[str, Any] = {}
        if request.image is not None:
            found["image"] = self._ids(request.image)
        if request.mask is not None:
            found["mask"] = self._masks(request.mask)
        if request.controls is not None:
            told = zip(request.controls, record["controls"], strict=True)
            found["controls"] = [
                _known(each, CONTROL_FIELDS) | {"image": self._ids(asked.image or ())}
                for asked, each in told
            ]
        if request.image_prompts is not None:
            told = zip(request.image_prompts, record["image_prompts"], strict=True)
            found["image_prompts"] = [
                _known(each, IMAGE_PROMPT_FIELDS) | {"images": self._ids(asked.images or ())}
                for asked, each in told
            ]
        return found

    def _ids(self, recorded: Sequence[PictureFile]) -> str | list[str]:
        ids = [self._id(each) for each in recorded]
        return ids[0] if len(ids) == 1 else ids

    def _id(self, recorded: PictureFile) -> str:
        for id, given in self._parts.items():
            if given.is_of(recorded):
                return id
        raise UnknownInput("a picture that the job was asked with is kept no more; hand it in")

    def _masks(self, recorded: Sequence[PictureFile]) -> str | list[str]:
        """As pictures, whatever they were: shapes, the transparency of a picture, an opposite."""
        from kakusan.inputs.masks import masks_again

        masks = masks_again("mask", recorded, self._all)
        ids = [self._files.put_input(png_of(each)) for each in masks.images]
        return ids[0] if len(ids) == 1 else ids


def _known(told: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: told[name] for name in names if told.get(name) is not None}
