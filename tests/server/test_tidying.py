"""While it serves, the server lets go of what is beyond the limits that its owner gave."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from kakusan.cli.serve import serve
from kakusan.server import run, tidying
from kakusan.server.queue import retention
from kakusan.server.queue.errors import StoreError
from kakusan.server.queue.retention import Limits
from kakusan.server.settings import MEGABYTE, Settings
from kakusan.server.tidying import limits_of
from tests.server.fakes import HOST, TOKEN, Served, served

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def client_of(server: Served) -> TestClient:
    return TestClient(server.app, base_url=f"http://{HOST}", headers=HEADERS)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tidying, "EVERY", 0.05)
    monkeypatch.setattr(retention, "_YOUNG", -1.0)


def pictures_in(data: Path) -> int:
    return len(list((data / "pictures").iterdir()))


def test_old_jobs_go_while_it_serves(tmp_path: Path) -> None:
    job = {"prompt": "a", "num_inference_steps": 1, "width": 64, "height": 64}
    with served(tmp_path, keep_jobs=2) as server, client_of(server) as client:
        ids = [client.post("/v1/jobs", json=job).json()["id"] for _ in range(5)]
        until(lambda: [each.id for each in server.store.jobs()] == ids[:2:-1])
        until(lambda: pictures_in(tmp_path) == 2)
        assert client.get(f"/v1/jobs/{ids[0]}").status_code == 404
        assert len(client.get(f"/v1/jobs/{ids[4]}").json()["pictures"]) == 1


def test_it_goes_on_after_the_database_did_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with served(tmp_path, works=False) as server:
        told = list[Limits]()

        def tidy(limits: Limits) -> int:
            told.append(limits)
            if len(told) == 1:
                raise StoreError("the database is locked")
            return 3

        monkeypatch.setattr(server.store, "tidy", tidy)
        with caplog.at_level(logging.INFO, "kakusan"), client_of(server):
            until(lambda: len(told) > 2)
        assert "was not tidied: the database is locked" in caplog.text
        assert "3 jobs that had ended were let go" in caplog.text


def test_limits_are_what_the_command_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = list[Settings]()

    def noted(settings: Settings, *_: Any) -> int:
        found.append(settings)
        return 0

    monkeypatch.setattr(run, "serve", noted)
    serve(data=tmp_path, no_token=True)
    serve(data=tmp_path, no_token=True, keep_jobs=5, keep_days=0.5, keep_size=3)
    assert [limits_of(each) for each in found] == [
        Limits(most_jobs=10_000),
        Limits(most_jobs=5, oldest_s=43_200.0, most_bytes=3 * MEGABYTE),
    ]
