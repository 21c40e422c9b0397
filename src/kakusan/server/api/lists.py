"""What there is to ask for: models, adapters, networks, schedulers."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter

from kakusan.samplers import SAMPLERS
from kakusan.samplers.told import schedules_told, told_of
from kakusan.server.api.schema import FAILURES
from kakusan.server.service import Service
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Entry, Kind

KINDS: Mapping[str, Kind] = {
    "loras": "lora",
    "controlnets": "controlnet",
    "embeddings": "embedding",
    "vaes": "vae",
    "ip_adapters": "ip_adapter",
    "upscalers": "upscaler",
}


def router(service: Service) -> APIRouter:
    """`/v1/models`, `/v1/loras` and others, `/v1/schedulers`."""
    found = APIRouter(tags=["catalog"])

    @found.get("/v1/models", responses=FAILURES)
    async def models() -> dict[str, Any]:
        """The models; one is the default, where a job names none. OpenAI's clients read it."""
        return {"object": "list", "data": await service.in_store(models_json, service.catalog)}

    @found.get("/v1/schedulers", responses=FAILURES)
    async def schedulers() -> dict[str, Any]:
        """The schedulers by all their names, and the schedules of their noise levels."""
        return {"schedulers": [told_of(each) for each in SAMPLERS], "schedules": schedules_told()}

    def listed(plural: str, kind: Kind) -> Callable[[], Any]:
        async def route() -> dict[str, Any]:
            entries = service.catalog.of_kind(kind)
            return {plural: await service.in_store(lambda: [entry_json(each) for each in entries])}

        route.__doc__ = f"The {plural.replace('_', ' ')} that a job may name."
        return route

    for plural, kind in KINDS.items():
        found.get(f"/v1/{plural}", responses=FAILURES, name=plural)(listed(plural, kind))
    return found


def entry_json(entry: Entry) -> dict[str, Any]:
    """What is told of something in the catalog: never where it lies."""
    return {"name": entry.name, "title": entry.title, "family": entry.family}


def models_json(catalog: Catalog) -> list[dict[str, Any]]:
    """All models, the usual one first; their files are looked at."""
    usual = catalog.usual_model.name
    return [model_json(each, usual) for each in catalog.of_kind("model")]


def model_json(entry: Entry, usual: str) -> dict[str, Any]:
    """A model, as OpenAI's clients and the page read it."""
    return {
        "id": entry.name,
        "object": "model",
        "created": 0,
        "owned_by": "kakusan",
        **entry_json(entry),
        "default": entry.name == usual,
        "width": entry.width,
        "height": entry.height,
        "num_inference_steps": entry.steps,
        "img2img_steps": entry.img2img_steps,
        "guidance_scale": entry.guidance,
        "scheduler": entry.scheduler,
    }
