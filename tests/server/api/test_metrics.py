"""`/metrics`: what the queue and the database tell."""

import time
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from kakusan.server.app import app_of
from kakusan.server.dialects.comfyui import app as comfyui
from kakusan.server.metrics import Metrics
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.job import Submission
from tests.server.fakes import HOST, TOKEN, Served, served

HEADERS = {"Authorization": f"Bearer {TOKEN}"}
NAMES = {
    "jobs_total",
    "jobs_waiting",
    "jobs_running",
    "queue_oldest_seconds",
    "queue_wait_seconds_count",
    "job_seconds_count",
    "batch_rows_count",
    "text_seconds_count",
    "decode_seconds_count",
    "pictures_total",
    "lease_lost_total",
    "jobs_resumed_total",
    "nan_redo_total",
    "db_seconds_count",
    "db_errors_total",
    "store_bytes",
    "http_requests_total",
    "http_seconds_count",
    "build_info",
    "disk_free_bytes",
}


def read(client: TestClient) -> dict[str, float]:
    text = client.get("/metrics", headers=HEADERS).text
    found = dict[str, float]()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name.removeprefix("kakusan_")
            found[name] = found.get(name, 0.0) + sample.value
    return found


def test_every_promised_name_is_there(tmp_path: Path) -> None:
    with served(tmp_path) as server, TestClient(server.app, base_url=f"http://{HOST}") as client:
        posted = client.post("/v1/jobs", json={"prompt": "a cat"}, headers=HEADERS)
        for _ in range(500):
            found = read(client)
            if found.get("jobs_total"):
                break
            time.sleep(0.01)
        assert found.keys() >= NAMES
        job = server.store.job(posted.json()["id"])
        assert job is not None
        assert found["store_bytes"] == sum(picture.size for picture in job.pictures) > 0
        assert found["pictures_total"] == 1
        assert found["db_errors_total"] == 0
        assert read(client)["db_seconds_count"] > found["db_seconds_count"]


def test_the_oldest_that_waits_is_told(tmp_path: Path) -> None:
    with (
        served(tmp_path, works=False) as server,
        TestClient(server.app, base_url=f"http://{HOST}") as client,
    ):
        assert read(client)["queue_oldest_seconds"] == 0
        server.store.submit(Submission(request={"prompt": "a cat"}, client="local"))
        time.sleep(0.05)
        found = read(client)
        assert found["jobs_waiting"] == 1
        assert 0.05 <= found["queue_oldest_seconds"] < 60


def test_calls_that_the_database_refuses_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreError("the database does not take it now")

    with (
        served(tmp_path, works=False) as server,
        TestClient(server.app, base_url=f"http://{HOST}") as client,
    ):
        with monkeypatch.context() as patched:
            patched.setattr(database_of(server), "read", refuse)
            assert client.get("/v1/jobs", headers=HEADERS).status_code == 503
        assert read(client)["db_errors_total"] >= 1


def database_of(server: Served) -> object:
    return server.store._database


def test_comfyuis_port_is_counted_with_the_other(tmp_path: Path) -> None:
    metrics = Metrics()
    with served(tmp_path, works=False) as server:
        main, other = (
            each(server.service, server.tokens, metrics=metrics) for each in (app_of, comfyui)
        )
        with TestClient(main, base_url=f"http://{HOST}") as client:
            asked = TestClient(other, base_url=f"http://{HOST}").get("/queue", headers=HEADERS)
            assert asked.status_code == 200
            shown = client.get("/metrics", headers=HEADERS).text
    assert 'kakusan_http_requests_total{code="200",method="GET",route="/queue"} 1.0' in shown
