"""What clients get from a server that draws is what the short call draws with these settings."""

import base64
import io
from collections.abc import Generator
from typing import Any

import httpx
import numpy as np
import ollama
import openai
import pytest
from mcp import Client
from mcp.types import ResourceLink
from PIL import Image, ImageDraw

import kakusan
from kakusan.server.mcp.remote import Remote
from kakusan.server.mcp.server import build
from tests.server.dialects.openai.serving import Running, running

SHORT: dict[str, Any] = {"seed": 7, "steps": 3, "progress": False}
OWN = {"seed": 7, "num_inference_steps": 3}
PROMPT = "a red ball on grass"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("server"), draws=True) as found:
        yield found


@pytest.fixture
def client(server: Running) -> Generator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{server.url}/v1", api_key=server.token) as found:
        yield found


def pixels(image: Image.Image) -> Any:
    return np.asarray(image.convert("RGB")).astype(int)


def opened(data: str | bytes | None) -> Image.Image:
    assert data is not None
    return Image.open(io.BytesIO(base64.b64decode(data) if isinstance(data, str) else data))


def first(made: Any) -> Image.Image:
    return opened(made.data[0].b64_json)


def drawing(size: tuple[int, int] = (64, 64)) -> Image.Image:
    image = Image.new("RGB", size, "skyblue")
    ImageDraw.Draw(image).ellipse((16, 16, 48, 48), fill="orange")
    return image


def file_of(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def hole(size: tuple[int, int] = (64, 64)) -> bytes:
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (16, 16, 48, 48))
    return file_of(mask)


def white(size: tuple[int, int] = (64, 64)) -> Image.Image:
    mask = Image.new("L", size, 0)
    mask.paste(255, (16, 16, 48, 48))
    return mask


def test_a_text(client: openai.OpenAI) -> None:
    own = {**OWN, "negative_prompt": "a dog", "guidance_scale": 4.5, "scheduler": "Euler a"}
    made = client.images.generate(prompt=PROMPT, size="64x72", extra_body=own)
    (again,) = kakusan.generate(
        PROMPT,
        negative_prompt="a dog",
        guidance=4.5,
        scheduler="Euler a",
        width=64,
        height=72,
        **SHORT,
    )
    np.testing.assert_array_equal(pixels(first(made)), pixels(again.image))


def test_the_models_own_size_and_several_pictures(client: openai.OpenAI) -> None:
    made = client.images.generate(prompt=PROMPT, n=2, size="auto", extra_body=OWN)
    again = kakusan.generate(PROMPT, count=2, **SHORT)
    assert made.data is not None
    for each, drawn in zip(made.data, again, strict=True):
        assert np.abs(pixels(opened(each.b64_json)) - pixels(drawn.image)).max() <= 1


def test_an_edit_goes_back_from_the_picture(client: openai.OpenAI) -> None:
    for strength, own in ((0.75, {}), (0.4, {"strength": 0.4})):
        made = client.images.edit(
            image=file_of(drawing()), prompt=PROMPT, extra_body={**OWN, **own}
        )
        (again,) = kakusan.generate(PROMPT, image=drawing(), strength=strength, **SHORT)
        np.testing.assert_array_equal(pixels(first(made)), pixels(again.image))


def test_an_edit_draws_where_the_mask_is_transparent_and_nowhere_else(
    client: openai.OpenAI,
) -> None:
    image = drawing((80, 72))
    made = client.images.edit(
        image=file_of(image), mask=hole((80, 72)), prompt=PROMPT, extra_body=OWN
    )
    (again,) = kakusan.generate(PROMPT, image=image, mask=white((80, 72)), strength=0.75, **SHORT)
    np.testing.assert_array_equal(pixels(first(made)), pixels(again.image))
    changed = np.abs(pixels(first(made)) - pixels(image)).max(-1) > 0
    assert changed[20:44, 20:44].any()
    outside = np.ones((72, 80), bool)
    outside[4:60, 4:60] = False  # the mask, and its blurred edge
    assert not changed[outside].any()


def test_an_edit_at_another_size_has_it(client: openai.OpenAI) -> None:
    made = client.images.edit(
        image=file_of(drawing()), mask=hole(), prompt=PROMPT, size="96x96", extra_body=OWN
    )
    assert first(made).size == (96, 96)
    assert made.size == "96x96"


def test_other_formats_have_the_same_picture(client: openai.OpenAI) -> None:
    exact = pixels(first(client.images.generate(prompt=PROMPT, size="64x64", extra_body=OWN)))
    for kind in ("jpeg", "webp"):
        made = client.images.generate(
            prompt=PROMPT, size="64x64", output_format=kind, extra_body=OWN
        )
        assert np.abs(pixels(first(made)) - exact).mean() < 6


def test_less_quality_is_a_smaller_file(client: openai.OpenAI) -> None:
    asked: Any = {"prompt": PROMPT, "size": "64x64", "extra_body": OWN}
    for kind in ("jpeg", "webp"):
        sizes = list[int]()
        for quality in (0, 50, 100):
            made = client.images.generate(**asked, output_format=kind, output_compression=quality)
            assert made.data is not None
            sizes.append(len(made.data[0].b64_json or ""))
        assert sizes[0] < sizes[1] < sizes[2]


def test_a_stream_ends_in_the_same_picture(client: openai.OpenAI) -> None:
    own = {**OWN, "num_inference_steps": 200}  # long enough to be looked at on the way
    events = list(
        client.images.generate(prompt=PROMPT, stream=True, partial_images=3, extra_body=own)
    )
    *partial, last = events
    assert partial
    assert [each.partial_image_index for each in partial] == list(range(len(partial)))
    assert all(max(opened(each.b64_json).size) <= 512 for each in partial)
    (again,) = kakusan.generate(PROMPT, **{**SHORT, "steps": 200})
    np.testing.assert_array_equal(pixels(opened(last.b64_json)), pixels(again.image))


def test_ollama(server: Running) -> None:
    headers = {"Authorization": f"Bearer {server.token}"}
    with ollama.Client(host=server.url, headers=headers) as client:
        made = client.generate(
            model="builtin", prompt=PROMPT, width=64, height=72, steps=3, options={"seed": 7}
        )
    (again,) = kakusan.generate(PROMPT, width=64, height=72, **SHORT)
    np.testing.assert_array_equal(pixels(opened(made.image)), pixels(again.image))


@pytest.mark.anyio
async def test_an_assistant(server: Running) -> None:
    asked = {"prompt": PROMPT, "width": 64, "height": 72, "steps": 3, "seed": 7, "guidance": 2}
    async with Client(build(Remote(server.url, server.token))) as client:
        result = await client.call_tool("draw", asked)
        (link,) = [each for each in result.content if isinstance(each, ResourceLink)]
        read = await client.read_resource(link.uri)
    (again,) = kakusan.generate(PROMPT, width=64, height=72, guidance=2, **SHORT)
    drawn = opened(read.contents[0].blob)
    np.testing.assert_array_equal(pixels(drawn), pixels(again.image))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


# As these programs send it; read from their sources
OPEN_WEBUI = {"model": "gpt-image-1", "prompt": PROMPT, "n": 1, "size": "64x64"}
LIBRECHAT = {
    "model": "gpt-image-1",
    "prompt": PROMPT,
    "n": 1,
    "background": "auto",
    "output_format": "png",
    "quality": "auto",
    "size": "auto",
}
LIBRECHAT_DALLE = {
    "model": "dall-e-3",
    "quality": "standard",
    "style": "vivid",
    "size": "64x64",
    "prompt": PROMPT,
    "n": 1,
}


def post(server: Running, path: str, **sent: Any) -> Any:
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx.post(f"{server.url}/v1/images/{path}", headers=headers, timeout=60, **sent)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_what_open_webui_sends(server: Running) -> None:
    asked = {**OPEN_WEBUI, "response_format": "b64_json", "num_inference_steps": 3}
    (made,) = post(server, "generations", json=asked)
    assert "url" not in made
    assert opened(made["b64_json"]).size == (64, 64)
    files = [("image[]", ("image.png", file_of(drawing()), "image/png"))]
    (made,) = post(server, "edits", data={**asked, "n": "1"}, files=files)
    assert opened(made["b64_json"]).size == (64, 64)


def test_what_librechat_sends(server: Running) -> None:
    (made,) = post(server, "generations", json=LIBRECHAT)
    assert max(opened(made["b64_json"]).size) >= 64
    form = {"prompt": PROMPT, "quality": "auto", "size": "auto", "model": "gpt-image-1"}
    files = [("image[]", ("image.png", file_of(drawing()), "image/png"))]
    (made,) = post(server, "edits", data=form, files=files)
    assert opened(made["b64_json"]).size == (64, 64)
    (made,) = post(server, "generations", json=LIBRECHAT_DALLE)
    assert opened(httpx.get(made["url"]).content).size == (64, 64)
