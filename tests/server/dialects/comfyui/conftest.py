"""One server for each test, whose worker only pretends."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.server.dialects.comfyui.serving import Client, Pretender, Serving, pretending


@pytest.fixture
def served(tmp_path: Path) -> Generator[tuple[Serving, Pretender]]:
    with pretending(tmp_path) as found:
        yield found


@pytest.fixture
def client(served: tuple[Serving, Pretender]) -> Client:
    return Client(served[0])


@pytest.fixture
def worker(served: tuple[Serving, Pretender]) -> Pretender:
    return served[1]
