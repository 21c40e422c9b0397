"""A server on a thread that draws with the built-in model, at an address of its own."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from kakusan.models import ControlNetModel
from kakusan.pipeline import StableDiffusionPipeline
from kakusan.server.access.tokens import Tokens
from kakusan.server.app import app_of
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State
from kakusan.server.queue.store import Store
from kakusan.server.service import Service
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.watching import Board
from kakusan.server.worker.worker import Worker
from tests.server.on_a_thread import on_a_thread

NET = "edges"


@dataclass
class Served:
    """A server that listens."""

    port: int
    data: Path
    service: Service

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def jobs(self, state: State) -> list[Job]:
        """The newest first."""
        return self.service.store.jobs(state=state)


@contextmanager
def serving(
    data: Path, tokens: Mapping[str, str] | None = None, *, most_waiting: int = 500
) -> Generator[Served]:
    """Within, it listens, and lets everybody in where there are no tokens."""
    settings = Settings(data=data, disk_floor=0, most_waiting=most_waiting)
    files, board = Files(data), Board()
    store = Store.open(settings.database_url, files)
    catalog = Catalog.of(controls=[write_net(data / NET)])
    service = Service(store, files, catalog, board, settings)
    worker = Worker(store, files, catalog, board, settings)
    worker.start()
    try:
        with on_a_thread(app_of(service, Tokens(tokens or {}))) as port:
            yield Served(port, data, service)
    finally:
        worker.drain(20)
        store.close()


def write_net(folder: Path) -> Path:
    """A ControlNet for the built-in model, which does something: whatever it sees."""
    unet = StableDiffusionPipeline.from_pretrained("builtin").unet
    net = ControlNetModel.from_unet(unet)
    torch.manual_seed(0)
    with torch.no_grad():
        for conv in (*net.controlnet_down_blocks, net.controlnet_mid_block):
            conv.weight.normal_(std=0.5)
        net.controlnet_cond_embedding.conv_out.weight.normal_(std=0.2)
    net.save_pretrained(folder)
    return folder
