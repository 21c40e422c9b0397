"""Our own API: a job from its handing in to its pictures."""

import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from tests.server.fakes import HOST, TOKEN, Served, served


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
