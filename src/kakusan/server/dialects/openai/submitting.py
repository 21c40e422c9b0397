"""From what was sent to a job in the queue, or to the one that is already there."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from kakusan.errors import InputError, UnknownNameError
from kakusan.images import open_picture
from kakusan.request.masks import DECODED
from kakusan.server.dialects.openai.answers import Tokens, cells
from kakusan.server.dialects.openai.asking import Wanted, wanted
from kakusan.server.dialects.openai.failures import invalid
from kakusan.server.dialects.openai.fields import STEPS
from kakusan.server.dialects.openai.forms import Form
from kakusan.server.dialects.openai.masks import white_where_transparent
from kakusan.server.dialects.openai.tokens import count_tokens
from kakusan.server.pictures import InputPicture
from kakusan.server.queue.job import Job, Priority, Submission
from kakusan.server.service import Service
from kakusan.server.worker.catalog import Entry


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks.

    Attributes:
        name: a token's.
        key: of idempotency, where the client sends one.
        is_retry: whether the client says that it asked the same before.
    """

    name: str
    key: str | None
    is_retry: bool


@dataclass(frozen=True, kw_only=True)
class Order:
    """A request, ready to be handed in.

    Attributes:
        settings: for `Service.asked`.
        digest: of all that was sent; the same for the same again.
    """

    wanted: Wanted
    settings: Mapping[str, Any]
    digest: str
    tokens: Tokens


async def order(service: Service, sent: Mapping[str, object], form: Form | None = None) -> Order:
    """Read a request; with `form` it is an edit.

    Raises:
        Refusal: Something cannot be used.
        InputError: A picture cannot be read.
    """
    entry, unknown = _model(service, sent.get("model"))
    fewest = min(STEPS.values())
    own = entry.steps if form is None else entry.img2img_steps
    own = own if own is not None and own < fewest else None
    want = wanted(sent, edit=form is not None, own_steps=own)
    if unknown:
        want = replace(want, ignored=(*want.ignored, "model"))
    settings = {**want.settings, "model": entry.name}
    taken = 0
    if form is not None:
        pictures = await _pictures(service, form)
        image = pictures["image"]
        taken = cells(image.width, image.height)
        settings |= _for_edit(pictures, want.settings)
    texts = [want.settings["prompt"], want.settings.get("negative_prompt")]
    files = {} if form is None else {"image": form.image, "mask": form.mask or b""}
    return Order(
        wanted=want,
        settings=settings,
        digest=_digest(sent, files),
        tokens=Tokens(await service.in_pictures(count_tokens, texts), taken),
    )


def _model(service: Service, named: object) -> tuple[Entry, bool]:
    """The model of this name, or the usual one; and whether the name says none."""
    catalog = service.catalog
    if isinstance(named, str) and named:
        try:
            return catalog.find("model", named), False
        except UnknownNameError:
            return catalog.usual_model, True
    return catalog.usual_model, False


async def _pictures(service: Service, form: Form) -> dict[str, InputPicture]:
    found = {"image": await _input(service, form.image, "image")}
    if form.mask is not None:
        size = found["image"].image.size
        mask = await service.in_pictures(_mask, form.mask, size)
        found["mask"] = await service.put_input(mask)
    return found


async def _input(service: Service, data: bytes, name: str) -> InputPicture:
    try:
        return await service.put_input(data)
    except InputError as error:
        raise invalid(f"{name} cannot be read: {error}", name, "invalid_image") from None


def _mask(data: bytes, size: tuple[int, int]) -> bytes:
    try:
        image = open_picture(data, upright=True)
    except InputError as error:
        raise invalid(f"mask cannot be read: {error}", "mask", "invalid_image") from None
    return white_where_transparent(image, size)


def _for_edit(pictures: Mapping[str, InputPicture], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The pictures; where another size is asked for, all of the result is what is drawn."""
    found: dict[str, Any] = dict(pictures)
    image = pictures["image"]
    size = (settings.get("width"), settings.get("height"))
    if "mask" in pictures and size not in ((None, None), (image.width, image.height)):
        found["outside"] = DECODED
    return found


def _digest(sent: Mapping[str, object], files: Mapping[str, bytes]) -> str:
    told = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps([sent, told], sort_keys=True).encode()).hexdigest()


async def submit(service: Service, order: Order, caller: Caller) -> Job:
    """Hand it in, for somebody who waits.

    Raises:
        InputError: A setting cannot be used.
        KakusanError: Nothing is taken now.
    """
    asked = await service.asked(order.settings)
    named = order.wanted.identifier
    return await service.submit(
        Submission(
            request=asked.request.to_record(),
            inputs=asked.inputs,
            client=caller.name,
            dialect="openai",
            priority=Priority.WAITING,
            key=caller.key,
            body_hash=None if caller.key is None else order.digest,
            note={} if named is None else {"user": hashlib.sha256(named.encode()).hexdigest()[:16]},
        )
    )
