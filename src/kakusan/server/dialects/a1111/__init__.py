"""AUTOMATIC1111's API, `/sdapi/v1`, and ControlNet's, as their clients use them.

A call is a job of the queue for which its caller waits. Fields that nothing knows are ignored, as
there, and named in the answer; what would change the picture and is not there is refused.
"""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from kakusan.request.controls import MAX_CONTROLS
from kakusan.server.access import caller_of
from kakusan.server.dialects.a1111 import controls, lists, looking, samplers
from kakusan.server.dialects.a1111.calls import Calls
from kakusan.server.dialects.a1111.memory import memory
from kakusan.server.dialects.a1111.route import A1111Route, body_of
from kakusan.server.dialects.a1111.state import FILE, Options
from kakusan.server.dialects.a1111.styles import listed, read_styles
from kakusan.server.dialects.a1111.watching import Watching
from kakusan.server.service import Service

_V1 = "/sdapi/v1"
_REFRESHES = ("refresh-checkpoints", "refresh-loras", "refresh-vae")


def router(service: Service) -> APIRouter:
    """All addresses of the dialect."""
    found = APIRouter(route_class=A1111Route, include_in_schema=False)
    options = Options(service.catalog, service.settings.data / FILE)
    _add_calls(found, service, options)
    _add_watching(found, service, options)
    _add_options(found, service, options)
    _add_lists(found, service)
    _add_controlnet(found, service)
    return found


def _add_calls(router: APIRouter, service: Service, options: Options) -> None:
    calls = Calls(service, options)

    @router.post(f"{_V1}/txt2img")
    async def txt2img(request: Request) -> JSONResponse:
        """Draw pictures from a text, and wait for them."""
        return await calls.draw(request, is_img2img=False)

    @router.post(f"{_V1}/img2img")
    async def img2img(request: Request) -> JSONResponse:
        """Draw over a picture, or a part of it, and wait for the result."""
        return await calls.draw(request, is_img2img=True)

    @router.post(f"{_V1}/extra-single-image")
    async def extra_single_image(request: Request) -> dict[str, Any]:
        """Make a picture larger."""
        return await looking.single(service, await body_of(request))

    @router.post(f"{_V1}/extra-batch-images")
    async def extra_batch_images(request: Request) -> dict[str, Any]:
        """Make pictures larger."""
        return await looking.batch(service, await body_of(request))

    @router.post(f"{_V1}/png-info")
    async def png_info(request: Request) -> dict[str, Any]:
        """Read the settings in a picture."""
        return await looking.png_info(await body_of(request))


def _add_watching(router: APIRouter, service: Service, options: Options) -> None:
    watching = Watching(service, options)
    router.add_api_route(f"{_V1}/progress", watching.progress, methods=["GET"])
    router.add_api_route(f"{_V1}/interrupt", watching.interrupt, methods=["POST"])
    router.add_api_route(f"{_V1}/skip", watching.skip, methods=["POST"])
    router.add_api_route("/internal/progress", watching.internal_progress, methods=["POST"])
    router.add_api_route("/internal/pending-tasks", watching.pending_tasks, methods=["GET"])


def _add_options(router: APIRouter, service: Service, options: Options) -> None:
    @router.get(f"{_V1}/options")
    async def get_options(request: Request) -> dict[str, Any]:
        """The caller's settings."""
        return options.of(caller_of(request).name)

    @router.post(f"{_V1}/options")
    async def set_options(request: Request) -> None:
        """Change some of the caller's settings; what is unknown or as before is left."""
        caller, sent = caller_of(request).name, await body_of(request)
        changed, _ = options.with_changes(caller, sent, absent=404)
        await service.in_store(options.keep, caller, changed)


def _add_lists(router: APIRouter, service: Service) -> None:
    catalog = service.catalog

    def add(name: str, made: Any) -> None:
        async def told() -> Any:
            return await service.in_store(made)

        told.__doc__ = f"What {name} lists."
        router.add_api_route(f"{_V1}/{name}", told, methods=["GET"], name=name)

    of = catalog.of_kind
    add("samplers", samplers.sampler_list)
    add("schedulers", samplers.schedule_list)
    add("upscalers", lists.upscalers)
    add("latent-upscale-modes", lists.latent_modes)
    add("sd-models", lambda: lists.models(of("model")))
    add("sd-vae", lambda: lists.vaes(of("vae")))
    add("sd-modules", lambda: lists.vaes(of("vae")))
    add("loras", lambda: lists.loras(of("lora")))
    add("embeddings", lambda: lists.embeddings(of("embedding")))
    add("memory", memory)
    add("prompt-styles", lambda: listed(read_styles(service.settings.data)))
    for name, empty in lists.NOTHING.items():
        add(name, lambda empty=empty: empty)
    for name in _REFRESHES:
        _add_refresh(router, service, name)


def _add_refresh(router: APIRouter, service: Service, name: str) -> None:
    async def refreshed() -> None:
        """Look again what there is."""
        await service.in_store(service.catalog.refresh)

    router.add_api_route(f"{_V1}/{name}", refreshed, methods=["POST"], name=name)


def _add_controlnet(router: APIRouter, service: Service) -> None:
    @router.get("/controlnet/version")
    async def version() -> dict[str, int]:
        """Of sd-webui-controlnet's API."""
        return {"version": 3}

    @router.get("/controlnet/model_list")
    async def model_list() -> dict[str, list[str]]:
        """The networks that steer."""
        return {"model_list": lists.controlnets(service.catalog.of_kind("controlnet"))}

    @router.get("/controlnet/module_list")
    async def module_list() -> dict[str, Any]:
        """The preprocessors."""
        return controls.module_list()

    @router.get("/controlnet/control_types")
    async def control_types() -> dict[str, Any]:
        """Kinds of networks, of which nothing tells the preprocessors apart here."""
        names = ["None", *lists.controlnets(service.catalog.of_kind("controlnet"))]
        return {"control_types": {"All": controls.control_type(names)}}

    @router.get("/controlnet/settings")
    async def settings() -> dict[str, int]:
        """How many networks may steer at once."""
        return {"control_net_unit_count": MAX_CONTROLS}

    @router.post("/controlnet/detect")
    async def detect(request: Request) -> dict[str, Any]:
        """Make control pictures."""
        return await looking.detect(service, await body_of(request))
