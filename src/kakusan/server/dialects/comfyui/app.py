"""The application on the port that ComfyUI's clients call."""

from fastapi import FastAPI

from kakusan import __version__
from kakusan.server.access.tokens import Tokens
from kakusan.server.dialects.comfyui.refusals import form_of
from kakusan.server.dialects.comfyui.routes import Routes
from kakusan.server.gated import gated
from kakusan.server.metrics import Metrics
from kakusan.server.service import Service


def app(service: Service, tokens: Tokens, metrics: Metrics | None = None) -> FastAPI:
    """ComfyUI's routes over the one queue, all of which need a token.

    Args:
        service: which is begun by whoever calls it.
        metrics: of the whole process, which the main port shows.
    """
    routes = Routes(service)
    found = FastAPI(
        title="kakusan, as ComfyUI",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    found.router.routes.extend([*routes.all(""), *routes.all("/api")])
    return gated(found, service.settings, tokens, _is_public, form_of, metrics or Metrics())


def _is_public(path: str) -> bool:  # noqa: ARG001
    return False
