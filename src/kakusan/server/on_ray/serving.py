"""The deployment: `serve run kakusan.server.on_ray.serving:app`.

What can be said, as NAME=VALUE behind that or under `args` in a configuration file, is in
`Arguments`. An address other than loopback needs a token.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from ray import serve
from ray.serve import Application

from kakusan.errors import InputError
from kakusan.server.access.tokens import Tokens, tokens_in
from kakusan.server.on_ray.app import app_of
from kakusan.server.on_ray.drawing import Drawer
from kakusan.server.run import catalog_of
from kakusan.server.settings import Settings, usual_data_folder

_RETRY_S = 5.0
_HEALTH_S = 10.0


def _several(given: object) -> object:
    return [each for each in given.split(",") if each] if isinstance(given, str) else given


Names = Annotated[tuple[str, ...], BeforeValidator(_several)]
Paths = Annotated[tuple[Path, ...], BeforeValidator(_several)]


class Arguments(BaseModel):
    """What can be said of the deployment; lists are written with commas between.

    Attributes:
        models, loras, embeddings, controls, vaes, ip_adapters, wildcards: files and folders of what
            requests may name, the same on every machine; of models also ids of the Hub.
        device, dtype: where and in what numbers to compute; else what is fast there.
        gpus, cpus: of each replica.
        min_replicas, max_replicas: how many there are, by how many requests there are.
        waiting: requests that wait; more are answered 429.
        most_pixels: of a picture.
        host: where Serve's proxies listen, as its own configuration has it.
        hosts: other names by which they are called.
        token_file: a token, or a line NAME:TOKEN for each caller, on every machine.
    """

    model_config = ConfigDict(extra="forbid")

    models: Names = ()
    loras: Paths = ()
    embeddings: Paths = ()
    controls: Paths = ()
    vaes: Paths = ()
    ip_adapters: Paths = ()
    wildcards: Paths = ()
    device: str | None = None
    dtype: str | None = None
    gpus: float = Field(0.0, ge=0)
    cpus: float = Field(1.0, gt=0)
    min_replicas: int = Field(1, ge=0)
    max_replicas: int = Field(1, ge=1)
    waiting: int = Field(32, ge=0)
    most_pixels: int = Field(4096 * 4096, ge=64)
    host: str = "127.0.0.1"
    hosts: Names = ()
    token_file: Path | None = None

    def settings(self) -> Settings:
        """As the server has them."""
        own = self.model_dump(include=set(Settings.__dataclass_fields__))
        return Settings(data=usual_data_folder(), **own)


class Replica:
    """Holds a model, and draws one picture after the other.

    Raises:
        KakusanError: Something that was named is not there, or does not draw.
    """

    def __init__(self, arguments: dict[str, Any]) -> None:
        told = Arguments(**arguments)
        settings = told.settings()
        tokens = Tokens({}) if told.token_file is None else tokens_in(told.token_file)
        drawer = Drawer(settings, catalog_of(settings))
        drawer.warm()
        self._app = app_of(drawer, settings, tokens)

    def __serve_build_asgi_app__(self) -> Any:
        return self._app


def app(arguments: Arguments) -> Application:
    """The application for `serve run` and `serve deploy`.

    Raises:
        InputError: Other machines would be let in without a token.
    """
    if arguments.token_file is None and not arguments.settings().is_loopback:
        raise InputError(
            f"host {arguments.host} lets other machines in; name a token_file that holds a token"
        )
    deployment: Any = serve.deployment(
        name="kakusan",
        ray_actor_options={"num_cpus": arguments.cpus, "num_gpus": arguments.gpus},
        autoscaling_config={
            "min_replicas": arguments.min_replicas,
            "max_replicas": max(arguments.max_replicas, arguments.min_replicas),
            "target_ongoing_requests": 1,
        },
        max_ongoing_requests=2,  # one is drawn, and one is checked meanwhile
        max_queued_requests=arguments.waiting,
        backpressure_config={"status_code": 429, "retry_after_s": _RETRY_S},
        health_check_period_s=_HEALTH_S,
    )
    return deployment(serve.ingress()(Replica)).bind(arguments.model_dump())
