"""One server for all files of this folder."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.server.dialects.a1111.serving import Served


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Served]":
    """Lets everybody in, and draws."""
    from tests.server.dialects.a1111.serving import serving

    with serving(tmp_path_factory.mktemp("a1111")) as found:
        yield found
