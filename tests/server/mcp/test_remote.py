"""The tools over a real server's own API, and over stdin and stdout."""

import base64
import io
import os
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, ImageContent, ResourceLink, TextContent
from PIL import Image

from kakusan.errors import InputError
from kakusan.images import read_record
from kakusan.server.mcp.remote import Remote
from kakusan.server.mcp.server import build
from kakusan.server.mcp.studio import StudioError
from tests.server.dialects.openai.serving import Running, running

pytestmark = pytest.mark.anyio

SMALL = {"prompt": "a red cube", "width": 64, "height": 64, "steps": 3, "seed": 7}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("server")) as found:
        yield found


def words(result: CallToolResult) -> str:
    return "\n".join(each.text for each in result.content if isinstance(each, TextContent))


def links(result: CallToolResult) -> list[str]:
    return [each.uri for each in result.content if isinstance(each, ResourceLink)]


async def test_draw_edit_and_look_again(server: Running, tmp_path: Path) -> None:
    async with Client(build(Remote(server.url, server.token))) as client:
        assert words(await client.call_tool("list_models", {})).startswith("builtin: ")
        drawn = await client.call_tool("draw", {**SMALL, "n": 2})
        assert not drawn.is_error, words(drawn)
        assert [each.type for each in drawn.content] == ["text", "image", "resource_link"] * 2
        assert "64x64, seed 8, model builtin, steps 3" in words(drawn)
        read = await client.read_resource(links(drawn)[1])
        path = tmp_path / "whole.png"
        path.write_bytes(base64.b64decode(read.contents[0].blob))
        record = read_record(path)
        assert record is not None
        assert (record["prompt"], record["seed"]) == ("a red cube", 8)
        asked = {"picture": links(drawn)[0], "prompt": "a blue ball", "strength": 0.5, "steps": 2}
        edited = await client.call_tool("edit_picture", {**asked, "mask": "box:8,8,16,16"})
        assert not edited.is_error, words(edited)
        request = server.inside.store.jobs(limit=1)[0].submission.request
        assert request["strength"] == 0.5
        assert request["mask"]["name"].startswith("box:")
        other = await client.call_tool("edit_picture", {**asked, "mask": links(drawn)[1]})
        assert not other.is_error, words(other)
        job = links(edited)[0].removeprefix("kakusan://pictures/").partition("/")[0]
        assert words(await client.call_tool("job_status", {"job": job})) == (
            f"Job {job} is done; pictures: {job}/0."
        )
        assert "is done" in words(await client.call_tool("cancel_job", {"job": job}))
        again = await client.call_tool("get_picture", {"picture": f"{job}/0"})
        (shown,) = [each for each in again.content if isinstance(each, ImageContent)]
        assert Image.open(io.BytesIO(base64.b64decode(shown.data))).format == "WEBP"


@pytest.mark.parametrize(
    ("tool", "asked", "said"),
    [
        ("draw", {**SMALL, "model": "other"}, "there is no model 'other'"),
        ("job_status", {"job": "0192"}, "no job of this id"),
        ("cancel_job", {"job": "../jobs"}, "no job of this id"),
        ("get_picture", {"picture": "0192/0"}, "no job of this id"),
    ],
)
async def test_what_the_server_refuses_is_said(
    server: Running, tool: str, asked: dict[str, object], said: str
) -> None:
    async with Client(build(Remote(server.url, server.token))) as client:
        result = await client.call_tool(tool, asked)
    assert result.is_error
    assert said in words(result)


async def test_a_mask_outside_the_picture_is_said(server: Running) -> None:
    async with Client(build(Remote(server.url, server.token))) as client:
        drawn = await client.call_tool("draw", SMALL)
        for mask in ("box:100,0,8,8", "box:1,2", "ellipse:0,0,0,0"):
            asked = {"picture": links(drawn)[0], "prompt": "x", "mask": mask}
            result = await client.call_tool("edit_picture", asked)
            assert result.is_error, mask
            assert "mask" in words(result)


async def test_a_server_that_is_not_there_or_wants_a_token(server: Running) -> None:
    with pytest.raises(StudioError, match="does not answer"):
        await Remote("http://127.0.0.1:9").models()
    for token in (None, "wrong"):
        with pytest.raises(StudioError, match="--token-file"):
            await Remote(server.url, token).models()


@pytest.mark.parametrize(
    "url", ["127.0.0.1:7860", "ftp://host", "http://", "http://h:x", "http://u:p@h", "http://h/?q"]
)
async def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="looks like http"):
        Remote(url)


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "kakusan", "mcp", *arguments]


async def test_over_stdin_and_stdout(server: Running, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(server.token)
    program, *arguments = command("--url", server.url, "--token-file", str(token))
    started = StdioServerParameters(command=program, args=arguments, env=dict(os.environ))
    told: list[str | None] = []

    async def progress(_step: float, _steps: float | None, message: str | None) -> None:
        told.append(message)

    async with Client(stdio_client(started)) as client:
        server.inside.worker.pause = 0.4
        drawn = await client.call_tool("draw", SMALL, progress_callback=progress)
        server.inside.worker.pause = 0.0
        assert not drawn.is_error, words(drawn)
        assert "64x64, seed 7" in words(drawn)
        assert any("of 3." in (each or "") for each in told)
        refused = await client.call_tool("draw", {**SMALL, "cfg": 3})
        assert refused.is_error


def test_stdout_has_the_protocol_alone(server: Running, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(server.token)
    asked = (
        '{"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": '
        '"2025-06-18", "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}}\n'
    )
    done = subprocess.run(
        command("--url", server.url, "--token-file", str(token)),
        input=asked,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    (line,) = done.stdout.splitlines()
    assert '"serverInfo":{"name":"kakusan"' in line.replace('": ', '":')


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--url", "nowhere"), "looks like http"),
        (("--url", "http://127.0.0.1:9", "--model", "x"), "--model"),
        (("--url", "http://127.0.0.1:9", "--data", "x"), "--data"),
        (("--token-file", "x"), "--token-file"),
        (("--url", "http://127.0.0.1:9", "--token-file", "not-there"), "cannot be read"),
        (("--model", "not/there/at/all"), "there is no model"),
    ],
)
def test_bad_usage_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    own = {"XDG_DATA_HOME": str(tmp_path)}
    done = subprocess.run(
        command(*arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **own},
        check=False,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
