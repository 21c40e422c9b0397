"""What an assistant is offered, and what it is told; nothing is drawn here."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from mcp import Client
from mcp.types import CallToolResult, ImageContent, ResourceLink, TextContent
from PIL import Image

from kakusan.server.mcp.server import build
from kakusan.server.mcp.studio import Drawn, PictureId, Status, StudioError

pytestmark = pytest.mark.anyio

KNOWN = "0192f3a0-0000-7000-8000-000000000000"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def png(width: int = 640, height: int = 320) -> bytes:
    noise = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


class Fake:
    """A studio whose jobs are done at the third look."""

    def __init__(self, state: str = "done", error: str | None = None) -> None:
        self.state, self.error = state, error
        self.settings: dict[str, Any] = {}
        self.put: list[bytes] = []
        self.looks = 0
        self.cancelled: list[str] = []

    async def submit(self, settings: Mapping[str, Any]) -> str:
        if settings["prompt"] == "refused":
            raise StudioError("prompt is refused here; take another")
        self.settings = dict(settings)
        return KNOWN

    async def status(self, job: str) -> Status:
        if job != KNOWN:
            raise StudioError(f"there is no job {job}")
        self.looks += 1
        if self.looks == 1 and self.settings:
            return Status(job=job, state="queued", ahead=2)
        if self.looks <= 4 and self.settings:
            return Status(job=job, state="running", step=self.looks, steps=10)
        count = self.settings.get("num_images_per_prompt", 1)
        pictures = [
            Drawn(
                id=PictureId(job, index),
                width=640,
                height=320,
                size=None,
                record={"seed": 7 + index, "model": "builtin", "negative_prompt": ""},
            )
            for index in range(count if self.state == "done" else 0)
        ]
        return Status(job=job, state=self.state, error=self.error, pictures=pictures)

    async def cancel(self, job: str) -> Status:
        self.cancelled.append(job)
        return Status(job=job, state="cancelled")

    async def picture(self, which: PictureId, *, file_format: str, size: int | None) -> bytes:
        if which.index > 3:
            raise StudioError(f"there is no picture {which}")
        return png()

    async def put_picture(self, data: bytes) -> object:
        self.put.append(data)
        return f"input-{len(self.put)}"

    async def models(self) -> Sequence[Mapping[str, Any]]:
        return [
            {"name": "builtin", "width": 256, "height": 256, "num_inference_steps": 25},
            {"name": "other"},
        ]


def words(result: CallToolResult) -> str:
    return "\n".join(each.text for each in result.content if isinstance(each, TextContent))


async def test_the_tools_say_what_they_take() -> None:
    async with Client(build(Fake())) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        templates = (await client.list_resource_templates()).resource_templates
    assert list(tools) == [
        *("draw", "edit_picture", "get_picture", "list_models", "job_status", "cancel_job")
    ]
    assert [each.uri_template for each in templates] == ["kakusan://pictures/{job}/{index}"]
    assert tools["draw"].input_schema["required"] == ["prompt"]
    assert tools["edit_picture"].input_schema["required"] == ["picture", "prompt"]
    for tool in tools.values():
        assert tool.input_schema["additionalProperties"] is False
        assert tool.description
        assert tool.annotations is not None
        assert tool.annotations.open_world_hint is False
        reads = tool.name in ("get_picture", "list_models", "job_status")
        assert tool.annotations.read_only_hint is reads
        for name, schema in tool.input_schema["properties"].items():
            assert "context" not in name
            assert schema.get("description"), f"{tool.name}: {name}"


async def test_a_drawing_is_answered_small_with_a_link_and_progress() -> None:
    studio = Fake()
    told: list[tuple[float, float | None, str | None]] = []

    async def progress(step: float, steps: float | None, message: str | None) -> None:
        told.append((step, steps, message))

    asked = {"prompt": "a cat", "seed": 7, "width": 640, "height": 320, "guidance": 3, "n": 4}
    async with Client(build(studio)) as client:
        result = await client.call_tool("draw", asked, progress_callback=progress)
        links = [each for each in result.content if isinstance(each, ResourceLink)]
        read = await client.read_resource(links[1].uri)
    assert not result.is_error
    assert studio.settings == {
        "prompt": "a cat",
        "seed": 7,
        "width": 640,
        "height": 320,
        "guidance_scale": 3,
        "num_images_per_prompt": 4,
    }
    assert [step for step, _, _ in told] == [0, 2, 3, 4]
    assert told[0][2] == f"Job {KNOWN} is queued; 2 before it."
    assert told[-1][1:] == (10, f"Job {KNOWN} is running; step 4 of 10.")
    assert words(result).splitlines()[1] == f"Picture {KNOWN}/1: 640x320, seed 8, model builtin."
    shown = [each for each in result.content if isinstance(each, ImageContent)]
    assert len(shown) == 4
    for each in shown:
        image = Image.open(io.BytesIO(base64.b64decode(each.data)))
        assert (each.mime_type, image.format) == ("image/webp", "WEBP")
        assert max(image.size) <= 512
    assert sum(len(each.data) for each in shown) < 1_000_000
    assert links[1].uri == f"kakusan://pictures/{KNOWN}/1"
    assert links[1].mime_type == read.contents[0].mime_type == "image/png"
    assert base64.b64decode(read.contents[0].blob) == png()


@pytest.mark.parametrize(
    ("tool", "asked", "said"),
    [
        ("draw", {}, "prompt: Field required"),
        ("draw", {"prompt": ""}, "prompt: "),
        ("draw", {"prompt": "x", "n": 5}, "n: "),
        ("draw", {"prompt": "x", "width": 100}, "width: "),
        ("draw", {"prompt": "x", "steps": 0}, "steps: "),
        ("draw", {"prompt": "x", "cfg_scale": 3}, "draw has no argument 'cfg_scale'"),
        ("draw", {"prompt": "refused"}, "prompt is refused here; take another"),
        ("edit_picture", {"picture": "cat.png", "prompt": "x"}, "'cat.png' is no picture's id"),
        ("edit_picture", {"picture": "../../etc/1", "prompt": "x"}, "is no picture's id"),
        ("edit_picture", {"picture": f"{KNOWN}/9", "prompt": "x"}, "there is no picture"),
        ("edit_picture", {"picture": f"{KNOWN}/0", "prompt": "x", "mask": "red"}, "is no picture"),
        ("get_picture", {"picture": f"{KNOWN}/1"}, f"there is no picture {KNOWN}/1"),
        ("job_status", {"job": "other"}, "there is no job other"),
    ],
)
async def test_failures_are_results_in_one_line(
    tool: str, asked: dict[str, object], said: str
) -> None:
    async with Client(build(Fake())) as client:
        result = await client.call_tool(tool, asked)
    assert result.is_error
    assert said in words(result)
    assert "\n" not in words(result)
    assert "Error executing" not in words(result)


async def test_a_job_that_fails_says_why() -> None:
    async with Client(build(Fake("failed", "out of memory; ask for less"))) as client:
        result = await client.call_tool("draw", {"prompt": "x"})
    assert result.is_error
    assert words(result) == f"Job {KNOWN} is failed: out of memory; ask for less."


@pytest.mark.parametrize(
    ("mask", "handed_in", "puts"),
    [
        (None, {}, 1),
        ("box:10,20,30,40", {"mask": "box:10,20,30,40"}, 1),
        (f"{KNOWN}/1", {"mask": "input-2"}, 2),
    ],
)
async def test_an_edit_hands_in_the_picture_and_the_mask(
    mask: str | None, handed_in: dict[str, str], puts: int
) -> None:
    studio = Fake()
    asked = {"picture": f"kakusan://pictures/{KNOWN}/0", "prompt": "a hat", "strength": 0.9}
    async with Client(build(studio)) as client:
        result = await client.call_tool("edit_picture", {**asked, "mask": mask})
    assert not result.is_error
    assert studio.settings == {
        "prompt": "a hat",
        "strength": 0.9,
        "num_images_per_prompt": 1,
        "image": "input-1",
        **handed_in,
    }
    assert studio.put == [png()] * puts


async def test_models_and_jobs_are_told_in_words() -> None:
    studio = Fake()
    async with Client(build(studio)) as client:
        assert words(await client.call_tool("list_models", {})) == (
            "builtin: 256x256, steps 25\nother"
        )
        assert words(await client.call_tool("job_status", {"job": KNOWN})) == (
            f"Job {KNOWN} is done; pictures: {KNOWN}/0."
        )
        shown = await client.call_tool("get_picture", {"picture": f"{KNOWN}/0"})
        assert [each.type for each in shown.content] == ["text", "image", "resource_link"]
        assert words(await client.call_tool("cancel_job", {"job": KNOWN})) == (
            f"Job {KNOWN} is cancelled."
        )
    assert studio.cancelled == [KNOWN]


async def test_leaving_cancels_the_job() -> None:
    studio = Fake()
    studio.state = "running"
    async with Client(build(studio)) as client:
        with pytest.raises(Exception, match=r"(?i)time"):
            await client.call_tool("draw", {"prompt": "x"}, read_timeout_seconds=0.5)
    assert studio.cancelled == [KNOWN]


async def test_an_unknown_resource_is_said_to_be_unknown() -> None:
    async with Client(build(Fake())) as client:
        for uri in (f"kakusan://pictures/{KNOWN}/9", "kakusan://pictures/x%2F..%2Fy/0"):
            with pytest.raises(Exception, match=r"no picture|Unknown|no such"):
                await client.read_resource(uri)
