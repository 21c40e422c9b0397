"""What the API says of itself holds for whatever schemathesis makes of it."""

from collections.abc import Generator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

import httpx
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

from tests.server.access.test_live import HEADERS, live


@pytest.fixture
def address(tmp_path: Path) -> Generator[str]:
    with live(tmp_path, works=False, most_waiting=20) as (_, port):
        yield f"http://127.0.0.1:{port}"


def test_nothing_that_is_made_up_breaks_it(address: str) -> None:
    told = httpx.get(f"{address}/openapi.json", headers=HEADERS).json()
    schema = schemathesis.openapi.from_dict(told)
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path.endswith("/events"):  # which do not end
            continue

        @settings(
            max_examples=4, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy())
        def call(case: schemathesis.Case) -> None:
            answer = case.call(base_url=address, headers=HEADERS, timeout=30)
            case.validate_response(answer, checks=[not_a_server_error])

        call()
