"""`kakusan mcp` without a server: it draws by itself, and ends with its assistant."""

import base64
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import ResourceLink
from PIL import Image

import kakusan
from kakusan.errors import InputError
from kakusan.server.mcp.local import free_folder

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def started(tmp_path: Path) -> StdioServerParameters:
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "kakusan", "mcp"],
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
    )


async def test_it_draws_by_itself_also_beside_another(tmp_path: Path) -> None:
    asked = {"prompt": "a red ball", "width": 64, "height": 64, "steps": 3, "seed": 7}
    async with Client(stdio_client(started(tmp_path))) as client:
        result = await client.call_tool("draw", asked)
        assert not result.is_error, result.content
        (link,) = [each for each in result.content if isinstance(each, ResourceLink)]
        read = await client.read_resource(link.uri)
        async with Client(stdio_client(started(tmp_path))) as other:
            assert not (await other.call_tool("list_models", {})).is_error
    drawn = Image.open(io.BytesIO(base64.b64decode(read.contents[0].blob)))
    (again,) = kakusan.generate("a red ball", width=64, height=64, steps=3, seed=7, progress=False)
    np.testing.assert_array_equal(np.asarray(drawn), np.asarray(again.image))
    assert (tmp_path / "kakusan" / "mcp" / "jobs.db").is_file()
    assert (tmp_path / "kakusan" / "mcp-2" / "jobs.db").is_file()


def test_it_ends_with_its_assistant(tmp_path: Path) -> None:
    parameters = started(tmp_path)
    done = subprocess.run(
        [parameters.command, *parameters.args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=parameters.env,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, b"")


def test_each_assistant_has_a_folder_of_its_own(tmp_path: Path) -> None:
    data = tmp_path / "mcp"
    held = [free_folder(data) for _ in range(3)]
    assert [folder.name for folder, _ in held] == ["mcp", "mcp-2", "mcp-3"]
    with pytest.raises(InputError, match="in use"):
        free_folder(data, tries=1)
    held[1][1].release()
    folder, lock = free_folder(data)
    assert folder.name == "mcp-2"
    for each in (lock, held[0][1], held[2][1]):
        each.release()
