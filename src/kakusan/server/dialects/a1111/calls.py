"""txt2img and img2img: a call becomes a job, and its caller waits for the pictures."""

import asyncio
import hashlib
import io
import json
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse
from PIL import Image

from kakusan.images.metadata import encoded
from kakusan.images.opening import opened
from kakusan.server.access import caller_of
from kakusan.server.asked import Asked
from kakusan.server.dialects.a1111 import answer, lists, scripts, settings
from kakusan.server.dialects.a1111.controls import Unit
from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.options import FORMATS, NO_VAE, VAE
from kakusan.server.dialects.a1111.pictures import picture_bytes, picture_text
from kakusan.server.dialects.a1111.route import body_of
from kakusan.server.dialects.a1111.state import Options
from kakusan.server.dialects.a1111.styles import Style, read_styles
from kakusan.server.dialects.a1111.told import with_infotext
from kakusan.server.dialects.a1111.values import Body, read
from kakusan.server.pictures import InputPicture
from kakusan.server.queue.errors import KeyReused
from kakusan.server.queue.job import Job, Priority, State, Submission
from kakusan.server.service import Service

DIALECT = "a1111"
_WITHOUT_CLIP_SKIP = ("v2", "xl")  # where the setting does nothing there
_KEY_SECONDS = 600.0  # in which the same call under the same task is the same job
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calls:
    """What calls of one server have in common."""

    service: Service
    options: Options

    async def draw(self, request: Request, *, is_img2img: bool) -> JSONResponse:
        """Draw what a call asks for, and answer with it."""
        sent = await body_of(request)
        filled = with_infotext(scripts.with_fields_of_scripts(sent))
        body = read(filled.sent, is_img2img=is_img2img)
        settings.check(body, is_img2img=is_img2img)
        caller = caller_of(request).name
        chosen, unknown = self.options.for_call(caller, body["override_settings"], filled.model)
        units = scripts.asked_units(body)
        given = await self._given(body, units, is_img2img=is_img2img)
        styles = await self._styles(body)
        found = settings.drawing(body, given.plain, units, chosen, styles, is_img2img=is_img2img)
        wanted, passed = await self._request(found.settings, chosen, given)
        if not body["override_settings_restore_afterwards"]:
            await self.service.in_store(self.options.keep, caller, chosen)
        job = await self._submitted(
            wanted, caller=caller, note=self._note(body, found, chosen), hash=_hash(sent, chosen)
        )
        job = await self.service.while_connected(request, job)
        ignored = answer.named([*found.ignored, *unknown, *passed])
        return await self._answer(job, body, chosen, ignored)

    async def _styles(self, body: Body) -> list[Style]:
        folder = self.service.settings.data
        return await self.service.in_store(read_styles, folder) if body["styles"] else []

    async def _given(self, body: Body, units: Sequence[Unit], *, is_img2img: bool) -> "_Given":
        """The pictures of a call."""
        over = body["init_images"] if is_img2img else ()
        init = [await self._input("init_images", each) for each in over]
        mask = await self._input("mask", body["mask"]) if init and body["mask"] else None
        shown = [
            None if unit.image is None else await self._input("ControlNet's image", unit.image)
            for unit in units
        ]
        return _Given(init, mask, shown)

    async def _input(self, name: str, sent: object) -> InputPicture:
        data = await asyncio.to_thread(picture_bytes, name, sent)
        return await self.service.put_input(data)

    async def _request(
        self, found: Mapping[str, Any], chosen: Mapping[str, Any], given: "_Given"
    ) -> tuple[Asked, list[str]]:
        """The checked request, and what of it counts for nothing with its model.

        Pictures that were changed on the way are handed in again.
        """
        wanted, passed, entry = dict(found), list[str](), self.options.model_of(chosen)
        wanted["model"] = entry.name
        if entry.family in _WITHOUT_CLIP_SKIP and wanted.pop("clip_skip", None):
            passed.append("CLIP_stop_at_last_layers")
        if chosen[VAE] not in NO_VAE:
            wanted["vae"] = chosen[VAE]
        if learnt := lists.learnt_in(self.service.catalog.entries, found):
            wanted["embeddings"] = learnt
        if "image" in wanted:
            wanted["image"] = [await self._again(each, given) for each in wanted["image"]]
        if "mask" in wanted:
            wanted["mask"] = await self._again(wanted["mask"], given)
        if "controls" in wanted:
            wanted["controls"] = [
                {**each, "image": await self._again(each["image"], given)}
                for each in wanted["controls"]
            ]
        return await self.service.asked(wanted), passed

    async def _again(self, image: Image.Image, given: "_Given") -> InputPicture:
        known = given.of(image)
        if known is not None:
            return known
        return await self.service.put_input(await asyncio.to_thread(_png, image))

    def _note(
        self, body: Body, found: settings.Drawing, chosen: Mapping[str, Any]
    ) -> dict[str, Any]:
        entry = self.options.model_of(chosen)
        return answer.note_of(
            body,
            sampler=found.sampler.sampler,
            batch=found.batch,
            clip_skip=chosen["CLIP_stop_at_last_layers"],
            model=(entry.name, entry.short_hash or ""),
        )

    async def _submitted(
        self, wanted: Asked, *, caller: str, note: Mapping[str, Any], hash: str
    ) -> Job:
        """The job of a call; a call that is repeated under its task within minutes is the same."""
        task = note["task"]
        submission = Submission(
            request=wanted.request.to_record(),
            inputs=wanted.inputs,
            client=caller,
            dialect=DIALECT,
            priority=Priority.WAITING,
            key=f"a1111:{task}"[:200] if task else None,
            body_hash=hash if task else None,
            note=note,
        )
        if task:
            try:
                job = await self.service.submit(submission)
            except KeyReused:
                job = None
            if job is not None and _is_fresh(job):
                return job
        return await self.service.submit(replace(submission, key=None, body_hash=None))

    async def _answer(
        self, job: Job, body: Body, chosen: Mapping[str, Any], ignored: Sequence[str]
    ) -> JSONResponse:
        if job.state is State.FAILED:
            raise ApiError(500, job.error or "the job failed", "RuntimeError")
        images: list[str] = []
        for each in job.pictures if body["send_images"] else ():
            data, _ = await self.service.picture(job, each.index)
            images.append(await self.service.in_pictures(_sent, data, each.record, chosen))
        if ignored:
            _LOG.info("ignored of a call of %s: %s", DIALECT, ", ".join(ignored)[:1000])
        parameters = answer.echo(body, ignored)
        return JSONResponse(
            answer.answer_of(job, images, parameters), headers=answer.ignored_header(ignored)
        )


@dataclass(frozen=True)
class _Given:
    """The pictures of a call, as the service keeps them."""

    init: list[InputPicture]
    mask: InputPicture | None
    units: list[InputPicture | None]

    @property
    def plain(self) -> settings.Pictures:
        """The same, decoded."""
        return settings.Pictures(
            [each.image for each in self.init],
            None if self.mask is None else self.mask.image,
            [None if each is None else each.image for each in self.units],
        )

    def of(self, image: Image.Image) -> InputPicture | None:
        """The one that has this very picture."""
        several = (*self.init, self.mask, *self.units)
        return next((e for e in several if e is not None and e.image is image), None)


def _sent(data: bytes, record: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    """A picture's file in the format that is set, in base64."""
    kind = FORMATS[chosen["samples_format"]]
    if kind != "PNG":
        with opened(data) as (image, _):
            data = encoded(image, kind, record, chosen["jpeg_quality"])
    return picture_text(data)


def _png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=1)
    return file.getvalue()


def _hash(sent: Mapping[str, Any], chosen: Mapping[str, Any]) -> str:
    text = json.dumps([sent, chosen], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _is_fresh(job: Job) -> bool:
    """Whether a job under a task that was used before is the one that is meant."""
    lost = job.state in (State.CANCELLED, State.FAILED)
    return not lost and time.time() - job.created < _KEY_SECONDS
