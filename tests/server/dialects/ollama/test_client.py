"""The package ollama as it is, against a server whose worker only fills pictures."""

import base64
import io
import json
import time
from collections.abc import Generator
from typing import Any

import httpx
import ollama
import pytest
from PIL import Image

from kakusan.server.queue.job import State
from tests.server.dialects.openai.serving import Running, running
from tests.server.fakes import png

ASKED: dict[str, Any] = {
    "model": "builtin",
    "prompt": "a red cube",
    "width": 64,
    "height": 64,
    "steps": 4,
    "options": {"seed": 7},
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("ollama")) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Generator[ollama.Client]:
    headers = {"Authorization": f"Bearer {server.token}"}
    with ollama.Client(host=server.url, headers=headers) as found:
        yield found


@pytest.fixture
def slow(server: Running) -> Generator[Running]:
    server.inside.worker.pause = 0.1
    yield server
    server.inside.worker.pause = 0.0


def latest(server: Running) -> Any:
    return server.inside.store.jobs(limit=1)[0]


def picture(data: str | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def test_a_picture(client: ollama.Client, server: Running) -> None:
    made = client.generate(**ASKED)
    assert made.done
    assert made.done_reason == "stop"
    assert made.model == "builtin:latest"
    assert (made.completed, made.total) == (4, 4)
    assert made.total_duration is not None
    assert made.total_duration > 0
    assert picture(made.image).size == (64, 64)
    submission = latest(server).submission
    assert (submission.dialect, submission.request["seed"]) == ("ollama", 7)
    assert submission.request["num_inference_steps"] == 4


def test_a_stream_tells_steps_and_then_the_picture(client: ollama.Client, slow: Running) -> None:
    lines = list(client.generate(**{**ASKED, "steps": 9}, stream=True))
    told = [each.completed for each in lines[:-1]]
    assert told == sorted(told, key=lambda each: each or 0)
    assert len(told) >= 2
    assert not any(each.done or each.image for each in lines[:-1])
    assert lines[-1].done
    assert picture(lines[-1].image).format == "PNG"


def test_a_stream_is_what_is_sent_where_nothing_is_said(server: Running) -> None:
    asked = json.dumps({"model": "builtin:latest", "prompt": "x", "steps": 2})
    answer = httpx.post(  # as Ollama's own examples do, with curl's usual type
        f"{server.url}/api/generate",
        content=asked,
        headers={
            "Authorization": f"Bearer {server.token}",
            "Content-Type": "application/x-www-form-urlencoded",
        },
    )
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [json.loads(each) for each in answer.text.splitlines()][-1]["done"] is True


async def test_the_asynchronous_client(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    async with ollama.AsyncClient(host=server.url, headers=headers) as client:
        assert (await client.generate(**ASKED)).done
        lines = [each async for each in await client.generate(**ASKED, stream=True)]
    assert lines[-1].image


test_the_asynchronous_client = pytest.mark.anyio(test_the_asynchronous_client)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_picture_from_a_picture(client: ollama.Client, server: Running) -> None:
    client.generate(**ASKED, images=[png(64, 64)])
    submission = latest(server).submission
    assert submission.request["strength"] == 0.75
    assert len(submission.inputs) == 1


def test_the_models(client: ollama.Client) -> None:
    listed = {each.model: each for each in client.list().models}
    assert "builtin:latest" in listed
    entry = listed["builtin:latest"]
    assert entry.size is not None
    assert entry.size > 1_000_000
    assert entry.details is not None
    assert entry.details.family == "stable-diffusion"
    for name in ("builtin", "builtin:latest"):
        shown = client.show(name)
        assert shown.capabilities == ["image"]
        assert shown.modelinfo is not None
        assert shown.modelinfo["general.basename"] == "builtin"
    with pytest.raises(ollama.ResponseError, match="model 'other' not found") as unknown:
        client.show("other")
    assert unknown.value.status_code == 404


def test_the_version(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx.get(f"{server.url}/api/version", headers=headers)
    assert answer.json()["version"][0].isdigit()


def test_a_call_without_a_prompt_draws_nothing(client: ollama.Client, server: Running) -> None:
    before = len(server.inside.store.jobs(limit=500))
    loaded = client.generate(model="builtin")
    assert (loaded.done, loaded.done_reason, loaded.image) == (True, "load", None)
    assert len(server.inside.store.jobs(limit=500)) == before


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"model": "other"}, 404, "model 'other' not found"),
        ({"width": 65}, 400, "width must be a multiple of 8"),
        ({"steps": 5000}, 400, "steps must be"),
        ({"options": {"seed": 2**64}}, 400, "options.seed must be"),
        ({"images": [b"no picture"]}, 400, "picture"),
    ],
)
def test_what_cannot_be_used_is_said(
    client: ollama.Client, asked: dict[str, Any], status: int, said: str, stream: bool
) -> None:
    with pytest.raises(ollama.ResponseError, match=said) as refused:
        list(client.generate(**{**ASKED, **asked}, stream=stream))
    assert refused.value.status_code == status


def test_a_reader_that_leaves_has_its_job_cancelled(client: ollama.Client, slow: Running) -> None:
    lines = client.generate(**{**ASKED, "steps": 500}, stream=True)
    next(lines)
    lines.close()
    end = time.monotonic() + 10
    while not (job := latest(slow)).state.is_final:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert job.state is State.CANCELLED
