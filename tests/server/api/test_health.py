"""`/healthz` and `/readyz`: what a supervisor decides by."""

from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from starlette.testclient import TestClient

from tests.server.fakes import HOST, served


def test_a_worker_that_is_late_is_told(tmp_path: Path) -> None:
    with (
        served(tmp_path, works=False) as server,
        TestClient(server.app, base_url=f"http://{HOST}") as client,
    ):
        for late, health, ready in ((None, 200, 200), (False, 200, 200), (True, 503, 503)):
            server.service.is_worker_late = None if late is None else lambda late=late: late
            assert client.get("/healthz").status_code == health
            assert client.get("/readyz").status_code == ready
        assert client.get("/readyz").json()["reasons"] == ["worker"]
