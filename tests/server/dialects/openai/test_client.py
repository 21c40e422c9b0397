"""The package openai as it is, against a server whose worker only fills pictures."""

import base64
import io
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from PIL import Image

from kakusan.images import read_record
from kakusan.server.queue.job import State, Stop
from tests.server.dialects.openai.serving import Running, running
from tests.server.fakes import png

ASKED: dict[str, Any] = {"prompt": "a red cube", "size": "64x64"}
OWN = {"seed": 7, "num_inference_steps": 4}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("openai")) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token) as found:
        yield found


@pytest.fixture
def slow(server: Running) -> Generator[Running]:
    server.inside.worker.pause = 0.2
    yield server
    server.inside.worker.pause = 0.0


def picture(data: str | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True)))


def jobs(server: Running) -> int:
    return len(server.inside.store.jobs(limit=500))


def latest(server: Running) -> Any:
    return server.inside.store.jobs(limit=1)[0]


def wait_for_end(server: Running, seconds: float = 10) -> State:
    end = time.monotonic() + seconds
    while not (job := latest(server)).state.is_final:
        assert time.monotonic() < end
        time.sleep(0.05)
    return job.state


def test_models_have_the_one_that_comes_along(client: openai.OpenAI) -> None:
    assert "builtin" in [each.id for each in client.models.list()]
    assert client.models.retrieve("builtin").id == "builtin"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("other")


def test_a_picture_of_a_text(client: openai.OpenAI, server: Running) -> None:
    raw = client.images.with_raw_response.generate(**ASKED, n=2, extra_body=OWN)
    made = raw.parse()
    assert "x-kakusan-ignored" not in raw.headers
    assert made.data is not None
    for index, each in enumerate(made.data):
        assert each.url is None
        assert picture(each.b64_json).size == (64, 64)
        assert each.model_extra == {"seed": 7 + index}
    assert (made.size, made.quality, made.output_format) == ("64x64", "medium", "png")
    assert made.background == "opaque"
    assert made.usage is not None
    assert made.usage.input_tokens == made.usage.input_tokens_details.text_tokens == 3
    assert made.usage.output_tokens == 2 * 64
    assert made.usage.total_tokens == 3 + 2 * 64
    assert abs(made.created - time.time()) < 60
    job = latest(server)
    assert job.submission.dialect == "openai"
    assert job.submission.request["num_inference_steps"] == 4
    assert job.submission.request["prompt"] == "a red cube"


@pytest.mark.parametrize(
    ("quality", "steps"), [("low", 15), ("medium", 25), ("high", 50), ("auto", 25), ("hd", 50)]
)
def test_quality_is_steps(client: openai.OpenAI, server: Running, quality: Any, steps: int) -> None:
    """But where the model takes fewer by itself, as the built-in one does from noise."""
    client.images.edit(image=photo(), prompt="a ball", quality=quality)
    assert latest(server).submission.request["num_inference_steps"] == steps
    client.images.generate(**ASKED, quality=quality)
    assert latest(server).submission.request["num_inference_steps"] == 8


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_picture_in_each_format_tells_how_it_was_made(
    client: openai.OpenAI, tmp_path: Path, kind: Any
) -> None:
    made = client.images.generate(
        **ASKED, output_format=kind, output_compression=80, extra_body=OWN
    )
    assert made.data is not None
    image = picture(made.data[0].b64_json)
    assert image.format == kind.upper()
    path = tmp_path / f"picture.{kind}"
    path.write_bytes(base64.b64decode(made.data[0].b64_json or ""))
    record = read_record(path)
    assert record is not None
    assert (record["prompt"], record["seed"]) == ("a red cube", 7)


def photo() -> bytes:
    return png(64, 64)


def test_a_link_needs_no_token_and_cannot_be_changed(client: openai.OpenAI) -> None:
    made = client.images.generate(**ASKED, response_format="url", output_format="webp")
    assert made.data is not None
    link = made.data[0].url
    assert link is not None
    assert made.data[0].b64_json is None
    answer = httpx.get(link)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert Image.open(io.BytesIO(answer.content)).size == (64, 64)
    shown = httpx.get(link, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"})
    assert shown.status_code == 200
    for wrong in (link[:-1] + "x", link.replace(".webp", ".png"), link.replace("/0.", "/1.")):
        refused = httpx.get(wrong)
        assert refused.status_code == 404
        assert refused.json()["error"]["message"]


def test_an_edit_takes_a_picture_or_a_list_of_one(client: openai.OpenAI, server: Running) -> None:
    for image in (photo(), [photo()], ("a.png", photo(), "image/png")):
        made = client.images.edit(image=image, prompt="a ball", extra_body={"strength": 0.5})
        assert made.data is not None
        assert made.usage is not None
        assert made.usage.input_tokens_details.image_tokens == 64
    request = latest(server).submission.request
    assert request["strength"] == 0.5
    assert "mask" not in request
    client.images.edit(image=photo(), prompt="a ball", n=2, size="128x128")
    request = latest(server).submission.request
    assert (request["width"], request["strength"]) == (128, 0.75)
    assert request["num_images_per_prompt"] == 2
    assert len(latest(server).submission.inputs) == 1


def hole(width: int = 64) -> bytes:
    mask = Image.new("RGBA", (width, 64), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (16, 16, 48, 48))
    file = io.BytesIO()
    mask.save(file, "PNG")
    return file.getvalue()


def test_the_mask_of_an_edit_is_white_where_it_was_transparent(
    client: openai.OpenAI, server: Running
) -> None:
    client.images.edit(image=photo(), mask=hole(), prompt="a ball")
    submission = latest(server).submission
    assert submission.request["outside"] == "exact"
    masks = [Image.open(server.inside.files.input(each)).convert("L") for each in submission.inputs]
    (mask,) = [each for each in masks if each.getextrema() == (0, 255)]
    assert mask.getbbox() == (16, 16, 48, 48)


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"size": "65x64"}, "size"),
        ({"size": "8192x8192"}, "size"),
        ({"n": 11}, "n"),
        ({"background": "transparent"}, "background"),
        ({"extra_body": {"num_inference_steps": 0}}, "num_inference_steps"),
        ({"extra_body": {"seed": 2**64}}, "seed"),
        ({"extra_body": {"guidance_scale": "high"}}, "guidance_scale"),
        ({"extra_body": {"frame_count": 3}}, "frame_count"),
    ],
)
def test_what_cannot_be_used_is_a_bad_request(
    client: openai.OpenAI, server: Running, asked: dict[str, Any], param: str
) -> None:
    before = jobs(server)
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(**{**ASKED, **asked})
    assert refused.value.param == param
    assert refused.value.type == "invalid_request_error"
    assert param in refused.value.message
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert jobs(server) == before


def test_an_unknown_scheduler_is_told_with_the_nearest(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Did you mean"):
        client.images.generate(**ASKED, extra_body={"scheduler": "Eulr a"})


@pytest.mark.parametrize(
    ("image", "mask", "param"),
    [
        (b"no picture", None, "image"),
        (photo(), b"no picture", "mask"),
        (photo(), photo(), "mask"),
        (photo(), hole(72), "mask"),
        ([photo(), photo()], None, "image"),
    ],
)
def test_an_edit_that_cannot_be_made_is_a_bad_request(
    client: openai.OpenAI, image: Any, mask: bytes | None, param: str
) -> None:
    given = {} if mask is None else {"mask": mask}
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.edit(image=image, prompt="a ball", **given)
    assert refused.value.param == param


def test_variations_are_said_to_be_gone(client: openai.OpenAI) -> None:
    with (
        pytest.warns(DeprecationWarning, match="deprecated"),
        pytest.raises(openai.NotFoundError, match="retired"),
    ):
        client.images.create_variation(image=photo())


def test_a_wrong_token_is_an_authentication_error(server: Running) -> None:
    with (
        openai.OpenAI(base_url=f"{server.url}/v1", api_key="wrong") as client,
        pytest.raises(openai.AuthenticationError),
    ):
        client.images.generate(**ASKED)


def test_what_counts_for_nothing_is_named(client: openai.OpenAI) -> None:
    raw = client.images.with_raw_response.generate(
        **ASKED, model="gpt-image-2", style="vivid", moderation="low", extra_body={"cfg": 3}
    )
    named = {each.strip() for each in raw.headers["x-kakusan-ignored"].split(",")}
    assert named == {"model", "style", "moderation", "cfg"}
    raw = client.images.with_raw_response.generate(**ASKED, model="builtin")
    assert "x-kakusan-ignored" not in raw.headers


def test_who_stands_behind_a_caller_is_told_back_and_kept_as_a_hash(
    client: openai.OpenAI, server: Running
) -> None:
    made = client.images.generate(**ASKED, user="somebody")
    assert made.safety_identifier == "somebody"
    note = latest(server).submission.note
    assert len(note["user"]) == 16
    assert "somebody" not in str(note)


def test_a_stream_has_half_drawn_pictures_and_then_the_picture(
    client: openai.OpenAI, slow: Running
) -> None:
    events = list(
        client.images.generate(
            **ASKED, stream=True, partial_images=2, extra_body={**OWN, "num_inference_steps": 9}
        )
    )
    partial = [each for each in events if each.type == "image_generation.partial_image"]
    assert [each.partial_image_index for each in partial] == [0, 1]
    for each in partial:
        assert picture(each.b64_json).format == "PNG"
        assert (each.size, each.output_format, each.quality) == ("64x64", "png", "medium")
    (done,) = events[2:]
    assert done.type == "image_generation.completed"
    assert picture(done.b64_json).size == (64, 64)
    assert done.usage.total_tokens == 3 + 64


def test_a_stream_of_several_pictures_has_an_event_for_each(client: openai.OpenAI) -> None:
    events = list(client.images.generate(**ASKED, n=3, stream=True, extra_body=OWN))
    assert [each.type for each in events] == ["image_generation.completed"] * 3
    assert [(each.model_extra or {})["seed"] for each in events] == [7, 8, 9]


def test_an_edit_streams(client: openai.OpenAI) -> None:
    events = list(client.images.edit(image=photo(), prompt="a ball", stream=True))
    assert [each.type for each in events] == ["image_edit.completed"]


def test_a_stream_that_cannot_begin_is_a_bad_request(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError):
        client.images.generate(**{**ASKED, "size": "65x64"}, stream=True)


async def test_the_asynchronous_client(server: Running) -> None:
    async with openai.AsyncOpenAI(base_url=f"{server.url}/v1", api_key=server.token) as client:
        made = await client.images.generate(**ASKED, extra_body=OWN)
        assert made.data is not None
        stream = await client.images.generate(**ASKED, stream=True, extra_body=OWN)
        assert [each.type async for each in stream] == ["image_generation.completed"]
        with pytest.raises(openai.BadRequestError):
            await client.images.generate(prompt="x", size="1x1")


test_the_asynchronous_client = pytest.mark.anyio(test_the_asynchronous_client)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_a_client_without_patience_doubles_no_work(client: openai.OpenAI, slow: Running) -> None:
    before = jobs(slow)
    hasty = client.with_options(timeout=0.7, max_retries=2)
    made = hasty.images.generate(**ASKED, extra_body={"num_inference_steps": 8, "seed": 3})
    assert made.data is not None  # of the first job, which a retry has found again
    assert jobs(slow) == before + 1


def test_a_client_that_gives_up_has_its_job_cancelled(client: openai.OpenAI, slow: Running) -> None:
    before = jobs(slow)
    with pytest.raises(openai.APITimeoutError):
        client.with_options(timeout=0.5, max_retries=0).images.generate(
            **ASKED, extra_body={"num_inference_steps": 200}
        )
    assert wait_for_end(slow) is State.CANCELLED
    assert jobs(slow) == before + 1


def test_a_reader_that_leaves_a_stream_has_its_job_cancelled(
    client: openai.OpenAI, slow: Running
) -> None:
    stream = client.images.generate(
        **ASKED, stream=True, partial_images=3, extra_body={"num_inference_steps": 200}
    )
    time.sleep(0.5)
    stream.close()
    assert wait_for_end(slow) is State.CANCELLED


def test_a_job_that_is_cancelled_or_fails_is_said_in_a_stream_and_without(
    client: openai.OpenAI, slow: Running
) -> None:
    def cancel() -> None:
        time.sleep(0.6)
        slow.inside.store.stop(latest(slow).id, Stop.CANCEL)

    asked = {**ASKED, "extra_body": {"num_inference_steps": 200}}
    for stream, error in ((False, openai.ConflictError), (True, openai.APIError)):
        threading.Thread(target=cancel).start()
        with pytest.raises(error, match="cancelled"):
            list(client.images.generate(**asked, stream=stream))


def test_a_full_queue_is_a_rate_limit(tmp_path: Path) -> None:
    with running(tmp_path, most_waiting=1) as server:
        server.inside.worker.held.clear()
        time.sleep(0.1)
        url = f"{server.url}/v1"
        with openai.OpenAI(base_url=url, api_key=server.token, max_retries=0) as client:
            waiting = threading.Thread(target=lambda: client.images.generate(**ASKED))
            waiting.start()
            while not jobs(server):
                time.sleep(0.02)
            with pytest.raises(openai.RateLimitError) as refused:
                client.with_options(timeout=2).images.generate(**ASKED)
            assert refused.value.code == "queue_full"
            assert int(refused.value.response.headers["retry-after"]) >= 1
            server.inside.worker.held.set()
            waiting.join(20)


def test_an_idempotency_key_is_one_job(client: openai.OpenAI, server: Running) -> None:
    before = jobs(server)
    named = {"Idempotency-Key": "once"}
    first = client.images.generate(**ASKED, extra_headers=named)
    second = client.images.generate(**ASKED, extra_headers=named)
    assert first.data == second.data
    assert jobs(server) == before + 1
    with pytest.raises(openai.BadRequestError):
        client.images.generate(**{**ASKED, "prompt": "another"}, extra_headers=named)
