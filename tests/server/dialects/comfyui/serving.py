"""A server on a thread, with a worker that needs no model or with the real one."""

import asyncio
import io
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import requests
import uvicorn
from PIL import Image

from kakusan.server.access.tokens import Tokens
from kakusan.server.dialects.comfyui import app
from kakusan.server.queue.files import Files
from kakusan.server.queue.job import Job, State, StoredPicture
from kakusan.server.queue.owners import own_name
from kakusan.server.queue.store import Store
from kakusan.server.service import Service
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.watching import Board

TOKEN = "s3cret"
OTHER = "0ther"


class Pretender(threading.Thread):
    """Draws plain pictures, of a colour that the seed decides, whatever is asked for.

    Attributes:
        may_draw: whether it goes on after the first step; cleared, it waits there.
        failing: what goes wrong, where something does.
    """

    def __init__(self, store: Store, files: Files, board: Board) -> None:
        super().__init__(daemon=True)
        self.store, self.files, self.board = store, files, board
        self.may_draw = threading.Event()
        self.may_draw.set()
        self.may_claim = threading.Event()
        self.may_claim.set()
        self.failing: str | None = None
        self.step_s = 0.0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            jobs = []
            if self.may_claim.is_set():
                jobs = self.store.claim(own_name(), limit=1, lease_s=60)
            for job in jobs:
                self._draw(job)
            if not jobs:
                time.sleep(0.01)

    def _draw(self, job: Job) -> None:
        request = job.submission.request
        steps = request["num_inference_steps"]
        self.board.began(job.id, steps)
        try:
            for step in range(1, steps + 1):
                self.board.stepped(job.id, step, 0, 0)
                self.board.show(job.id, _jpeg((step, 0, 0)))
                time.sleep(self.step_s)
                while not self.may_draw.is_set() and not self.stopped:
                    if self.store.renew(job, 60, step=step, steps=steps) is not None:
                        break
                    time.sleep(0.01)
                if self.store.renew(job, 60, step=step, steps=steps) is not None:
                    self.store.finish(job, State.CANCELLED)
                    return
            if self.failing is not None:
                self.store.finish(job, State.FAILED, self.failing)
                return
            for index in range(request.get("num_images_per_prompt", 1)):
                self._add(job, index)
            self.store.finish(job, State.DONE)
        finally:
            self.board.ended(job.id)

    def _add(self, job: Job, index: int) -> None:
        request = job.submission.request
        colour = ((request["seed"] + index) % 256, index, 7)
        buffer = io.BytesIO()
        size = (request["width"], request["height"])
        Image.new("RGB", size, colour).save(buffer, "PNG")
        file, digest, length = self.files.put_picture(job.id, index, buffer.getvalue(), ".png")
        picture = StoredPicture(
            index=index,
            file=file,
            sha256=digest,
            size=length,
            width=size[0],
            height=size[1],
            record={},
        )
        self.store.add_picture(job, picture)


class Serving:
    """A server that listens.

    Attributes:
        url: without a slash behind it.
    """

    def __init__(self, folder: Path, tokens: dict[str, str], **settings: Any) -> None:
        folder.mkdir(exist_ok=True)
        self.settings = Settings(data=folder, **settings)
        self.files = Files(folder)
        self.store = Store.open(self.settings.database_url, self.files)
        self.catalog, self.board = Catalog.of(), Board()
        self._tokens = Tokens(tokens)
        self._started = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        assert self._started.wait(30)
        assert self._server is not None
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"

    async def _serve(self) -> None:
        service = Service(self.store, self.files, self.catalog, self.board, self.settings)
        async with service:
            whole = app(service, self._tokens)
            config = uvicorn.Config(whole, port=0, log_level="warning", lifespan="off")
            self._server = uvicorn.Server(config)
            serving = asyncio.create_task(self._server.serve())
            while not self._server.started:
                await asyncio.sleep(0.01)
            self._started.set()
            await serving

    def close(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(20)
        self.store.close()


@contextmanager
def pretending(
    folder: Path, tokens: dict[str, str] | None = None, **settings: Any
) -> Generator[tuple[Serving, Pretender]]:
    """A server whose worker only pretends."""
    serving = Serving(folder, tokens or {}, **settings)
    worker = Pretender(serving.store, serving.files, serving.board)
    worker.start()
    try:
        yield serving, worker
    finally:
        worker.stopped = True
        worker.may_draw.set()
        worker.join(10)
        serving.close()


class Client:
    """What scripts do: post a graph, ask until it is there."""

    def __init__(self, serving: Serving, token: str | None = None) -> None:
        self.url, self.session = serving.url, requests.Session()
        if token is not None:
            self.session.headers["Authorization"] = f"Bearer {token}"

    def __del__(self) -> None:
        self.session.close()

    def post(self, path: str, body: Any = None, **named: Any) -> requests.Response:
        return self.session.post(f"{self.url}{path}", json=body, timeout=30, **named)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.url}{path}", params=params, timeout=30)

    def submit(self, graph: Any, **more: Any) -> str:
        answer = self.post("/prompt", {"prompt": graph, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()["prompt_id"]

    def wait(self, prompt_id: str, seconds: float = 30) -> dict[str, Any]:
        """The history's entry once it is there."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            found = self.get(f"/history/{prompt_id}").json()
            if prompt_id in found:
                return found[prompt_id]
            time.sleep(0.02)
        raise AssertionError(f"{prompt_id} is not in the history")

    def pictures(self, entry: dict[str, Any], node: str = "9") -> list[Image.Image]:
        """What came out of a node."""
        found = []
        for file in entry["outputs"][node]["images"]:
            answer = self.get("/view", **file)
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "image/png"
            found.append(Image.open(io.BytesIO(answer.content)))
        return found


def png(width: int = 64, height: int = 64, mode: str = "RGB") -> bytes:
    """A picture of a few soft shapes."""
    y, x = np.mgrid[0:height, 0:width]
    bands = [128 + 100 * np.sin(x / 9 + n) * np.cos(y / (7 + n)) for n in range(len(mode))]
    levels = np.stack(bands, -1).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(levels, mode).save(buffer, "PNG")
    return buffer.getvalue()


def _jpeg(colour: tuple[int, int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(buffer, "JPEG")
    return buffer.getvalue()
