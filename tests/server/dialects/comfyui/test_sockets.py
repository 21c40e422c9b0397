"""What a WebSocket is told, and in which order."""

import json
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.server.dialects.comfyui.graphs import DEFAULT, changed
from tests.server.dialects.comfyui.serving import (
    OTHER,
    TOKEN,
    Client,
    Pretender,
    Serving,
    pretending,
)

Served = tuple[Serving, Pretender]


def joined(serving: Serving, sid: str = "", prefix: str = "", **more: Any) -> ClientConnection:
    return connect(f"ws://{serving.host}{prefix}/ws?clientId={sid}", open_timeout=10, **more)


def next_of(socket: ClientConnection) -> tuple[str, Any]:
    said = socket.recv(timeout=10)
    assert isinstance(said, str), said[:40]
    told = json.loads(said)
    return told["type"], told["data"]


def until(socket: ClientConnection, is_last: Callable[[str, Any], bool]) -> list[tuple[str, Any]]:
    found = []
    while not found or not is_last(*found[-1]):
        found.append(next_of(socket))
    return found


def is_idle(kind: str, data: Any) -> bool:
    return kind == "status" and data["status"]["exec_info"]["queue_remaining"] == 0


def test_the_whole_way_of_a_job(served: Served, client: Client) -> None:
    serving, worker = served
    worker.may_draw.clear()
    graph = changed(_10=("PreviewImage", {"images": ["8", 0]}))
    with joined(serving, "me") as socket:
        kind, data = next_of(socket)
        assert (kind, data) == (
            "status",
            {"status": {"exec_info": {"queue_remaining": 0}}, "sid": "me"},
        )
        prompt_id = client.submit(graph, client_id="me")
        time.sleep(0.5)
        worker.may_draw.set()
        told = []
        while not told or not is_idle(*told[-1]):
            told.append(next_of(socket))
            kind, data = told[-1]
            if kind in ("executed", "execution_success"):  # the history has it, the queue has not
                assert client.get(f"/history/{prompt_id}").json()[prompt_id]["outputs"]
                assert client.get("/queue").json()["queue_running"] == []
    kinds = [kind for kind, _ in told if kind not in ("status", "progress")]
    nodes = [data.get("node") for kind, data in told if kind == "executing"]
    assert kinds == [
        *("execution_start", "execution_cached"),
        *["executing"] * 7,
        *("executed", "executing", "executed", "execution_success", "executing"),
    ]
    assert nodes == ["4", "6", "7", "5", "3", "8", "9", "10", None]
    assert {data["prompt_id"] for kind, data in told if kind != "status"} == {prompt_id}
    assert [kind for kind, _ in told[-3:]] == ["execution_success", "executing", "status"]
    steps = [data for kind, data in told if kind == "progress"]
    assert (steps[-1]["value"], steps[-1]["max"], steps[-1]["node"]) == (2, 2, "3")
    entry = client.get(f"/history/{prompt_id}").json()[prompt_id]
    executed = {data["node"]: data["output"] for kind, data in told if kind == "executed"}
    assert executed == entry["outputs"]
    counts = [
        data["status"]["exec_info"]["queue_remaining"] for kind, data in told if kind == "status"
    ]
    assert counts == [1, 1, 0]


def test_a_job_that_was_there_before_its_socket(
    served: Served, client: Client, worker: Pretender
) -> None:
    worker.may_draw.clear()
    prompt_id = client.submit(DEFAULT, client_id="late")
    while not client.get("/queue").json()["queue_running"]:
        time.sleep(0.01)
    with joined(served[0], "late") as socket:
        assert next_of(socket)[1]["status"]["exec_info"]["queue_remaining"] == 1
        kind, data = next_of(socket)
        assert (kind, data["node"], data["prompt_id"]) == ("executing", "3", prompt_id)
        worker.may_draw.set()
        told = until(socket, is_idle)
        assert "executed" in [kind for kind, _ in told]


def test_a_job_that_ended_before_its_socket(served: Served, client: Client) -> None:
    client.wait(client.submit(DEFAULT, client_id="late"))
    with joined(served[0], "late") as socket:
        assert is_idle(*next_of(socket))


def test_others_are_told_of_the_queue_alone(served: Served, client: Client) -> None:
    with joined(served[0], "other") as other, joined(served[0]) as nameless:
        assert next_of(other)[1]["sid"] == "other"
        assert len(next_of(nameless)[1]["sid"]) == 32
        client.submit(DEFAULT, client_id="me")
        for socket in (other, nameless):
            assert {kind for kind, _ in until(socket, is_idle)} == {"status"}


def test_the_newest_socket_of_a_name_is_told(served: Served, client: Client) -> None:
    with joined(served[0], "me") as old:
        next_of(old)
        with joined(served[0], "me") as new:
            next_of(new)
            client.submit(DEFAULT, client_id="me")
            assert "executed" in [kind for kind, _ in until(new, is_idle)]
            with pytest.raises(TimeoutError):
                old.recv(timeout=0.2)


def ending(socket: ClientConnection) -> list[str]:
    return [kind for kind, _ in until(socket, is_idle)][-3:]


def test_ends_without_pictures(served: Served, client: Client, worker: Pretender) -> None:
    with joined(served[0], "me") as socket:
        next_of(socket)
        worker.failing = "no luck"
        client.submit(DEFAULT, client_id="me")
        assert ending(socket) == ["execution_error", "executing", "status"]
        worker.failing = None
        worker.may_draw.clear()
        client.submit(DEFAULT, client_id="me")
        until(socket, lambda kind, data: kind == "executing" and data["node"] == "3")
        client.post("/interrupt")
        assert ending(socket) == ["execution_interrupted", "executing", "status"]
        worker.may_claim.clear()
        time.sleep(0.1)
        client.submit(DEFAULT, client_id="me")
        client.post("/queue", {"clear": True})
        assert [kind for kind, _ in until(socket, is_idle)] == ["status"] * 2


def binaries(socket: ClientConnection) -> list[bytes]:
    """All binary messages, until the queue is empty."""
    found = []
    while True:
        said = socket.recv(timeout=10)
        if isinstance(said, bytes):
            found.append(said)
        elif is_idle(json.loads(said)["type"], json.loads(said)["data"]):
            return found


@pytest.mark.parametrize(
    ("features", "kind"),
    [
        (None, None),
        ({}, None),
        ({"supports_preview_metadata": True}, 4),
        ({"supports_preview_metadata": False}, 1),
    ],
)
def test_previews_only_where_they_can_be_told_from_results(
    served: Served,
    client: Client,
    worker: Pretender,
    features: dict[str, Any] | None,
    kind: int | None,
) -> None:
    worker.may_draw.clear()
    with joined(served[0], "me") as socket:
        next_of(socket)
        if features is not None:
            socket.send(json.dumps({"type": "feature_flags", "data": features}))
            said, data = next_of(socket)
            assert (said, data["supports_preview_metadata"]) == ("feature_flags", True)
        client.submit(DEFAULT, client_id="me")
        time.sleep(0.8)
        worker.may_draw.set()
        found = binaries(socket)
        assert {struct.unpack(">I", each[:4])[0] for each in found} == ({kind} if kind else set())
        assert bool(found) == bool(kind)


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", "3", '{"type": "x"}', b"\0\1", "x" * 200_000, '{"type":"feature_flags"}'],
)
def test_whatever_a_client_says(served: Served, client: Client, said: str | bytes) -> None:
    with joined(served[0], "me") as socket:
        next_of(socket)
        socket.send(said)
        client.submit(DEFAULT, client_id="me")
        assert "executed" in [kind for kind, _ in until(socket, is_idle)]


def test_under_api_too(served: Served) -> None:
    with joined(served[0], "me", "/api") as socket:
        assert next_of(socket)[0] == "status"


def test_a_socket_after_all_have_gone(served: Served, client: Client) -> None:
    for _ in range(3):
        with joined(served[0], "me") as socket:
            next_of(socket)
            client.submit(DEFAULT, client_id="me")
            assert "executed" in [kind for kind, _ in until(socket, is_idle)]


def test_the_end_of_the_server_closes_sockets(tmp_path: Path) -> None:
    with ExitStack() as stack:
        serving, _ = stack.enter_context(pretending(tmp_path))
        with joined(serving, "me") as socket:
            next_of(socket)
            began = time.monotonic()
            stack.close()
            assert time.monotonic() - began < 5
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=5)


def test_many_quick_jobs_keep_the_order(served: Served, client: Client) -> None:
    with joined(served[0], "me") as socket:
        next_of(socket)
        served[1].may_claim.clear()
        time.sleep(0.1)
        ids = [client.submit(DEFAULT, client_id="me") for _ in range(8)]
        served[1].may_claim.set()
        told = until(socket, is_idle)
    for prompt_id in ids:
        own = [kind for kind, data in told if data.get("prompt_id") == prompt_id]
        assert own[0] == "execution_start"
        assert own[-3:] == ["executed", "execution_success", "executing"]
    done = [kind for kind, _ in told]
    assert (done.count("execution_success"), done[-1]) == (8, "status")


def test_callers_do_not_see_each_other(tmp_path: Any) -> None:
    with pretending(tmp_path, {"ann": TOKEN, "bob": OTHER}) as (serving, worker):
        ann, bob = Client(serving, TOKEN), Client(serving, OTHER)
        headers = {"Authorization": f"Bearer {OTHER}"}
        with joined(serving, "me", additional_headers=headers) as socket:
            assert is_idle(*next_of(socket))
            prompt_id = ann.submit(DEFAULT, client_id="me")
            (file,) = ann.wait(prompt_id)["outputs"]["9"]["images"]
            with pytest.raises(TimeoutError):
                socket.recv(timeout=0.5)
        assert bob.get("/history").json() == bob.get(f"/history/{prompt_id}").json() == {}
        assert bob.get("/view", **file).status_code == 404
        worker.may_claim.clear()
        time.sleep(0.1)
        waits = ann.submit(DEFAULT)
        assert bob.get("/queue").json()["queue_pending"] == []
        bob.post("/queue", {"clear": True})
        bob.post("/queue", {"delete": [waits]})
        bob.post("/history", {"clear": True})
        assert [each[1] for each in ann.get("/queue").json()["queue_pending"]] == [waits]
        assert list(ann.get("/history").json()) == [prompt_id]
