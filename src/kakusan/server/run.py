"""The whole server in one process: from settings to the last answer."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from kakusan.errors import InputError, reason, shown_path
from kakusan.server.access.patience import patient
from kakusan.server.access.tokens import Tokens
from kakusan.server.api.working import Working
from kakusan.server.app import app_of
from kakusan.server.metrics import Metrics
from kakusan.server.queue.files import Files
from kakusan.server.queue.store import Store
from kakusan.server.service import Service
from kakusan.server.settings import Settings
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.pace import Pace
from kakusan.server.worker.watching import Board
from kakusan.server.worker.worker import Worker

logger = logging.getLogger(__name__)

STOPPED = 0
_LAST_ANSWERS = 5  # seconds that answers have once the worker has ended
_WARM = 1.0  # seconds that may go by before the address is said, so that a first request is quick
_HEAD = 32 * 1024  # bytes of a request's head
Announce = Callable[[int], None]


def serve(settings: Settings, tokens: Tokens, announce: Announce) -> int:
    """Serve until a signal asks to stop; the exit code.

    The first SIGTERM or SIGINT lets running jobs come to a point from which they go on, and takes
    no new ones; the second ends at once.

    Args:
        announce: called with the port once the server listens.

    Raises:
        InputError: The port is taken, the data folder is another server's, a model is not there.
    """
    with listening(settings.host, settings.port) as main, contextlib.ExitStack() as more:
        sockets = [main]
        if settings.comfyui_port is not None:
            sockets.append(more.enter_context(listening(settings.host, settings.comfyui_port)))
        make_folder(settings.data)
        files = Files(settings.data)
        catalog = catalog_of(settings)
        store = Store.open(settings.database_url, files)
        more.callback(store.close)
        board = Board()
        metrics = Metrics()
        pace = Pace(most_live=settings.together)
        worker = Worker(store, files, catalog, board, settings, pace, Working(metrics))
        service = Service(store, files, catalog, board, settings)
        service.is_worker_late = lambda: worker.is_late
        apps = [app_of(service, tokens, metrics)]
        if settings.comfyui_port is not None:
            from kakusan.server.dialects.comfyui import app as comfyui

            apps.append(comfyui(service, tokens, metrics))
        for notice in store.notices:
            logger.warning("%s", notice)
        code = asyncio.run(
            _run(settings, service, worker, list(zip(apps, sockets, strict=True)), announce)
        )
    if worker.is_alive():  # in a step that takes minutes, which the interpreter may wait for
        logging.shutdown()
        os._exit(code)
    return code


def catalog_of(settings: Settings) -> Catalog:
    """What the settings say that can be drawn with.

    Raises:
        InputError: Something of it is not there.
    """
    return Catalog.of(
        settings.models,
        loras=settings.loras,
        embeddings=settings.embeddings,
        controls=settings.controls,
        vaes=settings.vaes,
        ip_adapters=settings.ip_adapters,
    )


async def _run(
    settings: Settings,
    service: Service,
    worker: Worker,
    apps: Sequence[tuple[FastAPI, socket.socket]],
    announce: Announce,
) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    asked = list[int]()

    def stop(number: int) -> None:
        asked.append(number)
        if len(asked) > 1:
            os._exit(128 + number)
        service.draining = True
        stopping.set()

    _on_signals(loop, stop)
    servers = [_Quiet(config_of(app, settings)) for app, _ in apps]
    tasks = [
        asyncio.create_task(server.serve(sockets=[listener]))
        for server, (_, listener) in zip(servers, apps, strict=True)
    ]
    warming = asyncio.create_task(service.warm())
    while not all(server.started for server in servers):
        if any(task.done() for task in tasks):
            break
        await asyncio.sleep(0.01)
    else:
        worker.start()
        await asyncio.wait([warming], timeout=_WARM)
        announce(apps[0][1].getsockname()[1])
        waits = [asyncio.create_task(stopping.wait()), *tasks]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        service.draining = True
        if not await asyncio.to_thread(worker.drain, settings.drain):
            logger.warning("jobs were still running; they go on at the next start")
    service.close_waits()
    for server in servers:
        server.should_exit = True
    await asyncio.gather(*tasks)
    return STOPPED


def _on_signals(loop: asyncio.AbstractEventLoop, stop: Callable[[int], None]) -> None:
    """Have the loop call `stop` with the number of each signal that asks to end."""

    def later(number: int, _frame: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(stop, number)

    names = ("SIGTERM", "SIGINT", "SIGBREAK")  # the last is Windows', for Ctrl+Break
    for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
        try:
            loop.add_signal_handler(number, stop, number)
        except NotImplementedError:  # Windows
            signal.signal(number, later)


class _Quiet(uvicorn.Server):
    """Leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How an application is served: patiently, but not for ever."""
    return uvicorn.Config(
        app,
        http=patient(settings.patience, settings.most_connections),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
        timeout_graceful_shutdown=_LAST_ANSWERS,
        h11_max_incomplete_event_size=_HEAD,
        ws_max_size=settings.most_bytes,
        backlog=2048,
    )


@contextlib.contextmanager
def listening(host: str, port: int) -> Generator[socket.socket]:
    """A socket that listens.

    Raises:
        InputError: The port is taken, or the address is not this machine's.
    """
    try:
        kind, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(kind, socket.SOCK_STREAM)
    except OSError as error:
        raise InputError(f"cannot listen on {host}: {reason(error)}") from None
    with listener:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(2048)
        except OverflowError:
            raise InputError(f"--port must be 0 to 65535, not {port}") from None
        except OSError as error:
            why = error.strerror or reason(error)
            raise InputError(
                f"cannot listen on {host}:{port}: {why}; name another with --port"
            ) from None
        yield listener


def make_folder(data: Path) -> None:
    """Make the folder of a server's data, for its owner alone.

    Raises:
        InputError: It cannot be made.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"{shown_path(data)} cannot be made: {error.strerror}") from None
