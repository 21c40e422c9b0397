"""Our own API: a job from its handing in to its pictures."""

import base64
import struct
import time
import zlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from kakusan.server.queue.errors import StoreError
from tests.server.fakes import HOST, TOKEN, Served, png, served


@pytest.fixture
def server(tmp_path: Path) -> Generator[Served]:
    with served(tmp_path) as found:
        yield found


@pytest.fixture
def client(server: Served) -> Generator[TestClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(server.app, base_url=f"http://{HOST}", headers=headers) as found:
        yield found


def finished(client: TestClient, id: str) -> dict[str, Any]:
    for _ in range(500):
        job = client.get(f"/v1/jobs/{id}").json()
        if job["state"] in ("done", "failed", "cancelled"):
            return job
        time.sleep(0.01)
    raise AssertionError("the job did not end")


def test_job_is_drawn_and_its_picture_taken(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json={"prompt": "a red cat", "num_inference_steps": 2})
    assert answer.status_code == 202, answer.text
    id = answer.json()["id"]
    assert answer.headers["location"] == f"/v1/jobs/{id}"
    job = finished(client, id)
    assert job["state"] == "done"
    assert job["request"]["model"] == "builtin"
    assert 0 <= job["request"]["seed"] < 2**32
    picture = client.get(job["pictures"][0]["url"])
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    small = client.get(job["pictures"][0]["url"], params={"size": 16, "format": "webp"})
    assert small.headers["content-type"] == "image/webp"
    assert len(small.content) < len(picture.content)
    listed = client.get("/v1/jobs", params={"limit": 1, "q": "red"}).json()
    assert [each["id"] for each in listed["jobs"]] == [id]


def test_the_same_key_is_the_same_job(client: TestClient) -> None:
    job = {"prompt": "a", "num_inference_steps": 2, "seed": 1}
    key = {"Idempotency-Key": "mine"}
    first = client.post("/v1/jobs", json=job, headers=key)
    again = client.post("/v1/jobs", json=job, headers=key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    other = client.post("/v1/jobs", json={**job, "seed": 2}, headers=key)
    assert other.status_code == 422
    assert other.json()["type"] == "key_reused"
    unnamed = {name: value for name, value in job.items() if name != "seed"}
    ids = {
        client.post("/v1/jobs", json=unnamed, headers={"Idempotency-Key": "k"}).json()["id"]
        for _ in range(3)
    }
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"prompt": "a", "nonsense": 1}, "nonsense"),
        ({"prompt": "a", "width": 65}, "width"),
        ({"prompt": "a", "model": "nothing"}, "model"),
        ({"prompt": "a", "scheduler": "nothing"}, None),
        ({"prompt": "a", "image": "https://example.org/a.png"}, "image"),
        ({"prompt": "a", "image": "0" * 64}, None),
        ({"prompt": "a", "image": "!"}, "image"),
        ({"prompt": "a", "image": {"sha256": "0" * 64}}, "image"),
        ({"prompt": "a", "priority": 1000}, "priority"),
        ({"prompt": "a", "priority": True}, "priority"),
        ({}, "prompt"),
    ],
)
def test_a_bad_field_is_named(client: TestClient, sent: dict[str, Any], field: str | None) -> None:
    answer = client.post("/v1/jobs", json=sent)
    assert answer.status_code == 422
    told = answer.json()
    assert {"type", "title", "detail"} <= set(told)
    assert len(answer.content) < 2000
    if field is not None:
        assert told["field"] == field


def test_pictures_come_as_ids_and_as_base64(client: TestClient) -> None:
    kept = client.post("/v1/inputs", content=png(64, 64), headers={"Content-Type": "image/png"})
    assert kept.status_code == 201
    id = kept.json()["id"]
    assert client.get(f"/v1/inputs/{id}").headers["content-type"] == "image/png"
    text = base64.b64encode(png(64, 64)).decode()
    for image in (id, text, f"data:image/png;base64,{text}"):
        job = {"prompt": "a", "image": image, "strength": 0.5, "num_inference_steps": 2}
        answer = client.post("/v1/jobs", json=job)
        assert answer.status_code == 202, answer.text
        assert answer.json()["inputs"] == [id]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"GIF89a" + bytes(100),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        png()[:60],
        b"\x89PNG\r\n\x1a\n" + bytes(100),
    ],
)
def test_what_is_no_picture_is_refused(client: TestClient, data: bytes) -> None:
    for path in ("/v1/inputs", "/v1/read"):
        answer = client.post(path, content=data)
        assert answer.status_code == 422
        assert "/" not in answer.json()["detail"].replace("PNG, JPEG or WebP", "")


def test_a_bomb_is_refused_before_it_is_decoded(client: TestClient) -> None:
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(b"0"))
    answer = client.post("/v1/inputs", content=data)
    assert answer.status_code == 422
    assert "60000x60000" in answer.json()["detail"]


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_queue_is_moved_stopped_and_forgotten(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        served(tmp_path, works=False, most_waiting=4) as found,
        TestClient(found.app, base_url=f"http://{HOST}", headers=headers) as client,
    ):
        ids = [client.post("/v1/jobs", json={"prompt": f"{i}"}).json()["id"] for i in range(4)]
        full = client.post("/v1/jobs", json={"prompt": "one too many"})
        assert full.status_code == 429
        assert int(full.headers["retry-after"]) > 0

        def places() -> list[int]:
            return [client.get(f"/v1/jobs/{id}").json()["position"] for id in ids]

        assert places() == [0, 1, 2, 3]
        client.patch(f"/v1/jobs/{ids[3]}", json={"to": "first"})
        assert places() == [1, 2, 3, 0]
        client.patch(f"/v1/jobs/{ids[3]}", json={"position": 2})
        assert places() == [0, 1, 3, 2]
        client.patch(f"/v1/jobs/{ids[3]}", json={"before": ids[0]})
        assert places() == [1, 2, 3, 0]
        assert client.patch(f"/v1/jobs/{ids[0]}", json={"colour": 1}).status_code == 422
        assert client.patch(f"/v1/jobs/{ids[0]}", json={"position": -1}).status_code == 422
        stopped = client.patch(f"/v1/jobs/{ids[0]}", json={"stop": "cancel"})
        assert stopped.json()["state"] == "cancelled"
        for change in ({"stop": "cancel"}, {"stop": "interrupt"}, {"to": "first"}, {"priority": 5}):
            late = client.patch(f"/v1/jobs/{ids[0]}", json=change)
            assert (late.status_code, late.json()["type"]) == (409, "too_late")
            assert "has ended already (cancelled)" in late.json()["detail"]
        assert client.delete(f"/v1/jobs/{ids[1]}").json()["state"] == "cancelled"
        assert client.delete(f"/v1/jobs/{ids[1]}").status_code == 204
        assert client.get(f"/v1/jobs/{ids[1]}").status_code == 404
        found.service.draining = True
        drained = client.post("/v1/jobs", json={"prompt": "late"})
        assert drained.status_code == 503
        assert "retry-after" in drained.headers
        assert client.get("/readyz").status_code == 503
        assert client.get("/healthz").status_code == 200


def test_a_job_that_is_drawn_is_stopped_and_moved_no_more(server: Served) -> None:
    server.worker.pause = 0.02
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(server.app, base_url=f"http://{HOST}", headers=headers) as client:
        job = client.post("/v1/jobs", json={"prompt": "a", "num_inference_steps": 500}).json()
        while client.get(f"/v1/jobs/{job['id']}").json()["state"] == "queued":
            time.sleep(0.01)
        late = client.patch(f"/v1/jobs/{job['id']}", json={"to": "first"})
        assert late.status_code == 409
        assert "being drawn already" in late.json()["detail"]
        asked = client.patch(f"/v1/jobs/{job['id']}", json={"stop": "cancel"})
        assert asked.status_code == 200
        assert finished(client, job["id"])["state"] == "cancelled"


def test_positions_are_counted_over_all_priorities(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        served(tmp_path, works=False) as found,
        TestClient(found.app, base_url=f"http://{HOST}", headers=headers) as client,
    ):
        sent = [{"prompt": str(i), "priority": p} for i, p in enumerate((20, 10, 10, 0))]
        ids = [client.post("/v1/jobs", json=each).json()["id"] for each in sent]
        for id in (ids[2], ids[0]):
            for position in (0, 3, 1, 2, 99, 0):
                moved = client.patch(f"/v1/jobs/{id}", json={"position": position}).json()
                assert moved["position"] == min(position, 3)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stop": "cancel", "to": "first"}, "to"),
        ({"priority": 5, "stop": "interrupt"}, "priority"),
        ({"priority": 5, "position": 0}, "position"),
        ({"priority": 5, "before": "x"}, "before"),
        ({"position": 0, "to": "first"}, "to"),
        ({"to": 1}, "to"),
        ({"before": 1}, "before"),
        ({"position": True}, "position"),
        ({"priority": 1.5}, "priority"),
    ],
)
def test_what_a_change_cannot_mean_is_refused(
    client: TestClient, change: dict[str, Any], field: str
) -> None:
    id = client.post("/v1/jobs", json={"prompt": "a"}).json()["id"]
    answer = client.patch(f"/v1/jobs/{id}", json=change)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_disk_floor_refuses_jobs(tmp_path: Path) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with (
        served(tmp_path, works=False, disk_floor=2**60) as found,
        TestClient(found.app, base_url=f"http://{HOST}", headers=headers) as client,
    ):
        assert client.post("/v1/jobs", json={"prompt": "a"}).status_code == 507
        assert client.get("/readyz").json()["reasons"] == ["disk"]


def test_events_are_told_to_the_end_and_resumed(client: TestClient) -> None:
    id = client.post("/v1/jobs", json={"prompt": "a", "num_inference_steps": 3}).json()["id"]
    told = events(client.get(f"/v1/jobs/{id}/events").text)
    kept = [(each["id"], each["event"]) for each in told if "id" in each]
    assert [kind for _, kind in kept] == ["queued", "started", "picture", "done"]
    after = {"Last-Event-ID": kept[1][0]}
    again = events(client.get(f"/v1/jobs/{id}/events", headers=after).text)
    assert [each["event"] for each in again if "id" in each] == ["picture", "done"]
    past = client.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": kept[-1][0]})
    assert events(past.text) == []
    bad = client.get(f"/v1/jobs/{id}/events", headers={"Last-Event-ID": "x"})
    assert bad.status_code == 422


def events(text: str) -> list[dict[str, str]]:
    """The events of a stream, each with its fields."""
    blocks = [block.splitlines() for block in text.split("\n\n") if "event: " in block]
    return [dict(line.split(": ", 1) for line in block) for block in blocks]


def test_models_are_openais_list_too(client: TestClient) -> None:
    told = client.get("/v1/models").json()
    assert told["object"] == "list"
    builtin = next(each for each in told["data"] if each["id"] == "builtin")
    assert builtin["object"] == "model"
    assert builtin["default"] is True
    assert 0 < builtin["num_inference_steps"] <= builtin["img2img_steps"]
    for kind in ("loras", "controlnets", "schedulers", "embeddings"):
        assert kind in client.get(f"/v1/{kind}").json()
    assert str(Path.home()) not in client.get("/v1/models").text


def test_tokens_are_told(client: TestClient) -> None:
    told = client.get("/v1/tokens", params={"text": "a (red:1.3) cat", "syntax": "webui"}).json()
    assert told["room"] > 10
    assert told["chunks"]
    assert client.get("/v1/tokens", params={"text": "a", "syntax": "x"}).status_code == 422
    assert client.get("/v1/tokens", params={"text": "a" * 10_001}).status_code == 422
    assert client.get("/v1/tokens").status_code == 422


def test_metrics_are_told_where_the_database_does_not_answer(
    server: Served, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise StoreError("the database is locked")

    assert "kakusan_jobs_waiting" in client.get("/metrics").text
    monkeypatch.setattr(server.store, "counts", refused)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert "kakusan_ready 0.0" in answer.text
    assert "kakusan_jobs_waiting" not in answer.text
    monkeypatch.undo()
    assert "kakusan_ready 1.0" in client.get("/metrics").text
    server.service.draining = True
    assert "kakusan_ready 0.0" in client.get("/metrics").text


def test_metrics_and_docs(client: TestClient) -> None:
    id = client.post("/v1/jobs", json={"prompt": "a", "num_inference_steps": 2}).json()["id"]
    finished(client, id)
    time.sleep(0.1)
    text = client.get("/metrics").text
    assert 'kakusan_http_requests_total{code="202",method="POST",route="/v1/jobs"}' in text
    assert 'kakusan_jobs_total{dialect="kakusan",state="done"} 1.0' in text
    assert "kakusan_jobs_waiting 0.0" in text
    assert "kakusan_ready 1.0" in text
    assert id not in text
    page = client.get("/docs").text
    assert "POST /v1/jobs" in page
    assert "http" not in page.replace("http-equiv", "")
