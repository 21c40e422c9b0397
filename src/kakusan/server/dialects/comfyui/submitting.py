"""From the body of `POST /prompt` to a job in the queue."""

import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

from PIL import Image

from kakusan.errors import InputError
from kakusan.request import Request
from kakusan.server.asked import Asked
from kakusan.server.dialects.comfyui import refusals
from kakusan.server.dialects.comfyui.answers import DIALECT, JSON, note_of
from kakusan.server.dialects.comfyui.body import Body, bad_id, body_of
from kakusan.server.dialects.comfyui.jobs import Jobs, key_of
from kakusan.server.dialects.comfyui.latents import drawn_over, steps_of
from kakusan.server.dialects.comfyui.lists import choices_of, family_of
from kakusan.server.dialects.comfyui.plan import Plan, planned, settings_of
from kakusan.server.dialects.comfyui.refusals import GraphError, not_drawn_at
from kakusan.server.dialects.comfyui.uploads import Uploads, as_png
from kakusan.server.dialects.comfyui.validation import Checked, checked
from kakusan.server.pictures import InputPicture
from kakusan.server.problems import field_of
from kakusan.server.queue.errors import KeyReused
from kakusan.server.queue.job import Job, Submission
from kakusan.server.service import Service

_LOADING = ("LoadImage", "LoadImageMask")
_MOST_LOADED = 16
# The nodes that fields of a request come from
_BY_FIELD: Mapping[str, tuple[str, ...]] = {
    "model": ("CheckpointLoaderSimple",),
    "vae": ("VAELoader",),
    "loras": ("LoraLoader", "LoraLoaderModelOnly"),
    **dict.fromkeys(("prompt", "negative_prompt", "embeddings"), ("CLIPTextEncode",)),
    **dict.fromkeys(("image", "mask"), _LOADING),
    **dict.fromkeys(("width", "height"), ("EmptyLatentImage", *_LOADING)),
    "num_images_per_prompt": ("EmptyLatentImage", "RepeatLatentBatch"),
}


class Accepted(NamedTuple):
    """The answer to a graph that is drawn.

    Attributes:
        ignored: what was given and changes nothing.
    """

    answer: JSON
    ignored: tuple[str, ...]


class Submitting:
    """Takes graphs in."""

    def __init__(self, service: Service, jobs: Jobs, uploads: Uploads) -> None:
        self._service, self._jobs, self._uploads = service, jobs, uploads
        self._numbers: itertools.count[int] | None = None

    async def submit(self, client: str, told: object) -> Accepted:
        """Take a graph in.

        Raises:
            GraphError: It is not drawn, and why.
            QueueFull, Draining, DiskLow, StoreError: see `Service.submit`.
        """
        body = body_of(told)
        service = self._service
        pictures = await self._pictures(client, body.graph)
        choices = choices_of(service.catalog, self._uploads.listed(client), pictures)
        found = await service.in_pictures(checked, body.graph, choices)
        try:
            plan = await service.in_pictures(planned, found)
            asked = await self._asked(found, plan, pictures)
        except GraphError as error:
            raise refusals.with_outputs(error, found.ends) from None
        job = await self._kept(client, body, plan, asked)
        answer = {
            "prompt_id": body.prompt_id or job.id,
            "number": job.submission.note["number"],
            "node_errors": dict(found.node_errors),
        }
        return Accepted(answer, (*body.ignored, *plan.ignored))

    async def _pictures(self, client: str, graph: Mapping[str, Any]) -> dict[str, InputPicture]:
        """The pictures that a graph loads, by its names for them."""
        names = dict.fromkeys(_loaded(graph))
        if len(names) > _MOST_LOADED:
            raise refusals.invalid_prompt(
                f"The graph loads {len(names)} pictures; at most {_MOST_LOADED}."
            )
        found: dict[str, InputPicture] = {}
        for name in names:
            picture = await self._uploads.find(client, name)
            if picture is not None:
                found[name] = picture
        return found

    async def _asked(
        self, found: Checked, plan: Plan, pictures: Mapping[str, InputPicture]
    ) -> Asked:
        try:
            settings = settings_of(plan, family_of(self._service.catalog, plan.told.model))
            begun = plan.begun
            if begun.size is not None:
                settings |= {"width": begun.size[0], "height": begun.size[1]}
            else:
                settings |= await self._over_a_picture(plan, pictures)
            asked = await self._service.asked(settings)
        except GraphError:
            raise
        except InputError as error:
            raise _at_its_node(found, plan, error) from None
        return asked._replace(request=_by_comfyuis_mask(asked.request))

    async def _over_a_picture(
        self, plan: Plan, pictures: Mapping[str, InputPicture]
    ) -> dict[str, Any]:
        """The picture and the mask that are drawn over, as ComfyUI makes them."""

        def opened(name: str) -> Image.Image:
            return pictures[name].image

        service = self._service
        image, mask = await service.in_pictures(drawn_over, plan.begun, opened)
        found = steps_of(plan.begun, plan.told.num_inference_steps or 1)
        found |= {"width": image.width, "height": image.height}
        found["image"] = await service.put_input(await service.in_pictures(as_png, image))
        if mask is not None:
            found["mask"] = await service.put_input(await service.in_pictures(as_png, mask))
            found |= {"outside": "decoded", "soft_mask": True}
        return found

    async def _kept(self, client: str, body: Body, plan: Plan, asked: Asked) -> Job:
        if self._numbers is None:
            self._numbers = itertools.count(await self._jobs.next_number())
        number: float = next(self._numbers)
        number = body.number if body.number is not None else -number if body.front else number
        submission = Submission(
            request=asked.request.to_record(),
            inputs=asked.inputs,
            client=client,
            dialect=DIALECT,
            key=None if body.prompt_id is None else key_of(body.prompt_id),
            body_hash=_hash_of(body.graph),
            note=note_of(
                plan,
                prompt_id=body.prompt_id,
                number=number,
                graph=body.graph,
                extra=body.extra,
            ),
        )
        try:
            job = await self._service.submit(submission)
        except KeyReused:
            raise bad_id("stands for another graph of yours; take a new one") from None
        if body.number is not None or body.front:
            await self._jobs.place(job, number)
        return job


def _loaded(graph: Mapping[str, Any]) -> list[str]:
    """The names of pictures in a graph that is not looked through yet."""
    found: list[str] = []
    for node in graph.values():
        if isinstance(node, dict) and cast("JSON", node).get("class_type") in _LOADING:
            inputs = cast("JSON", node).get("inputs")
            name = cast("JSON", inputs).get("image") if isinstance(inputs, dict) else None
            found += [name] if isinstance(name, str) else []
    return found


def _at_its_node(found: Checked, plan: Plan, error: InputError) -> GraphError:
    """An error about a field, said of the node that it comes from."""
    kinds = _BY_FIELD.get(field_of(error) or "", ())
    node = next(
        (name for name in plan.order if found.graph.nodes[name].kind in kinds), plan.sampler
    )
    return not_drawn_at(node, found.graph.nodes[node].kind, str(error))


def _by_comfyuis_mask(request: Request) -> Request:
    """A request whose mask is looked at as ComfyUI does: as large as the latents, with no blur."""
    return request if request.mask is None else replace(request, mask_blur=None)


def _hash_of(graph: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(graph, sort_keys=True).encode()).hexdigest()
