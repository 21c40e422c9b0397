"""What only a real server shows: slow callers, many at once, and those that leave."""

import asyncio
import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

pytest.importorskip("fastapi")

import uvicorn

from kakusan.server.run import config_of, listening
from tests.server.fakes import TOKEN, Served, served

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@contextmanager
def live(data: Path, **settings: Any) -> Generator[tuple[Served, int]]:
    """A server that listens, and its port."""
    with listening("127.0.0.1", 0) as listener, served(data, **settings) as found:
        server = uvicorn.Server(config_of(found.app, found.settings))
        port = listener.getsockname()[1]
        run = threading.Thread(
            target=lambda: asyncio.run(server.serve(sockets=[listener])), daemon=True
        )
        run.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield found, port
        finally:
            found.service.draining = True
            server.should_exit = True
            run.join(20)
            assert not run.is_alive()


def _until_closed(connection: socket.socket) -> bytes:
    data = b""
    while piece := connection.recv(4096):
        data += piece
    return data


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "]
)
def test_slow_heads_are_given_up(tmp_path: Path, sent: bytes) -> None:
    with (
        live(tmp_path, works=False, patience=0.3) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        began = time.monotonic()
        connection.sendall(sent)
        assert _until_closed(connection).startswith(b"HTTP/1.1 400")
        assert time.monotonic() - began < 5


def test_slow_bodies_are_given_up(tmp_path: Path) -> None:
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    )
    with (
        live(tmp_path, works=False, patience=0.3) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")


def test_a_gigabyte_is_refused_at_its_head(tmp_path: Path) -> None:
    head = (
        f"POST /v1/inputs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: image/png\r\nContent-Length: {2**30}\r\n\r\n"
    )
    with (
        live(tmp_path, works=False) as (_, port),
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")


def test_too_many_connections_are_turned_away(tmp_path: Path) -> None:
    with live(tmp_path, works=False, most_connections=3) as (_, port):
        held = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(5)]
        assert _until_closed(held[-1]).startswith(b"HTTP/1.1 503")
        for each in held:
            each.close()


def test_of_a_thousand_at_once_none_that_is_taken_is_lost(tmp_path: Path) -> None:
    job = {"prompt": "a", "num_inference_steps": 1, "width": 8, "height": 8}

    async def flood(port: int) -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=200)
        address = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(
            base_url=address, headers=HEADERS, limits=limits, timeout=120
        ) as client:
            return list(await asyncio.gather(*(post(client, seed) for seed in range(1000))))

    async def post(client: httpx.AsyncClient, seed: int) -> httpx.Response:
        named = {"Idempotency-Key": f"flood-{seed}"}
        for _ in range(3):
            try:
                return await client.post("/v1/jobs", json={**job, "seed": seed}, headers=named)
            except httpx.TransportError:
                continue  # an idle connection was closed as it was taken up again
        raise AssertionError("three connections in a row were closed")

    with live(tmp_path, works=False, most_waiting=100) as (found, port):
        answers = asyncio.run(flood(port))
        taken = [each.json()["id"] for each in answers if each.status_code == 202]
        assert {each.status_code for each in answers} == {202, 429}
        assert all("retry-after" in each.headers for each in answers if each.status_code == 429)
        assert len(taken) == len(set(taken)) == 100
        assert all(found.store.job(id) is not None for id in taken)
        found.worker.start()
        deadline = time.monotonic() + 60
        while any(not _is_done(found, id) for id in taken):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        found.worker.end()


def _is_done(found: Served, id: str) -> bool:
    job = found.store.job(id)
    return job is not None and job.state == "done"


def test_previews_come_to_whoever_watches(tmp_path: Path) -> None:
    with live(tmp_path, works=False) as (found, port):
        found.worker.pause = 0.3
        found.worker.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=HEADERS) as client:
            told = list[str]()
            with client.stream("GET", "/v1/events", timeout=30) as stream:
                lines = stream.iter_lines()
                next(lines)
                id = client.post("/v1/jobs", json={"prompt": "a", "num_inference_steps": 4}).json()[
                    "id"
                ]
                for line in lines:
                    if line.startswith("event: "):
                        told.append(line.removeprefix("event: "))
                    if told and told[-1] == "done":
                        break
            assert {"queued", "started", "step", "preview", "picture"} <= set(told)
            deadline = time.monotonic() + 10
            while found.board.is_watched(id):
                assert time.monotonic() < deadline
                time.sleep(0.05)
        found.worker.end()
