"""What comes out of graphs is what `kakusan.generate` draws with the same settings."""

import io
import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kakusan
from kakusan.server.worker.worker import Worker
from tests.server.dialects.comfyui.graphs import changed, over_a_picture
from tests.server.dialects.comfyui.serving import Client, Serving, png

PROMPT, NEGATIVE = "a red (cat:1.2) in a meadow", "a dog"
TEXTS: dict[str, Any] = {
    "_6": ("CLIPTextEncode", {"text": PROMPT}),
    "_7": ("CLIPTextEncode", {"text": NEGATIVE}),
}
USUAL: dict[str, Any] = {
    "negative_prompt": NEGATIVE,
    "seed": 8566257,
    "guidance": 8.0,
    "prompt_syntax": "comfy",
    "progress": False,
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Generator[Client]:
    """A client of a server that draws with the built-in model."""
    serving = Serving(Path(tmp_path_factory.mktemp("drawn")), {})
    worker = Worker(serving.store, serving.files, serving.catalog, serving.board, serving.settings)
    worker.start()
    try:
        yield Client(serving)
    finally:
        worker.drain(20)
        serving.close()


def drawn(client: Client, graph: Any) -> list[np.ndarray[Any, Any]]:
    entry = client.wait(client.submit(graph), 120)
    assert entry["status"]["completed"], entry["status"]
    return [np.asarray(image) for image in client.pictures(entry)]


def levels(pictures: Any) -> list[np.ndarray[Any, Any]]:
    return [np.asarray(each.image) for each in pictures]


def equal(found: list[np.ndarray[Any, Any]], wanted: list[np.ndarray[Any, Any]]) -> bool:
    return len(found) == len(wanted) and all(map(np.array_equal, found, wanted))


@pytest.mark.parametrize(
    ("sampler", "schedule"),
    [("euler", "normal"), ("dpmpp_2m", "karras"), ("euler_ancestral", "simple")],
)
def test_the_default_graph(client: Client, sampler: str, schedule: str) -> None:
    sampled = {"sampler_name": sampler, "scheduler": schedule, "steps": 3}
    graph = changed(_3=("KSampler", sampled), **TEXTS)
    rng = "comfyui-gpu" if "ancestral" in sampler else "comfyui"
    own = kakusan.generate(
        PROMPT,
        steps=3,
        scheduler=f"{sampler}/{schedule}",
        rng=rng,
        width=128,
        height=128,
        **USUAL,
    )
    assert equal(drawn(client, graph), levels(own))


def test_several_pictures(client: Client) -> None:
    graph = changed(_5=("EmptyLatentImage", {"batch_size": 2, "height": 64}), **TEXTS)
    own = kakusan.generate(
        PROMPT, steps=2, scheduler="euler/normal", width=128, height=64, count=2, **USUAL
    )
    found, wanted = drawn(client, graph), levels(own)
    assert len(found) == 2
    for one, other in zip(found, wanted, strict=True):  # drawn together, with another rounding
        assert np.abs(one.astype(int) - other.astype(int)).max() <= 1


def test_over_a_picture(client: Client) -> None:
    data = png(128, 128)
    form = {"image": ("in.png", data, "image/png")}
    name = client.session.post(f"{client.url}/upload/image", files=form).json()["name"]
    graph = {**over_a_picture(name, 0.5), **{k: changed(**TEXTS)[k] for k in ("6", "7")}}
    own = kakusan.generate(
        PROMPT,
        steps=4,
        strength=0.5,
        scheduler="euler/normal",
        image=Image.open(io.BytesIO(data)),
        **USUAL,
    )
    assert equal(drawn(client, graph), levels(own))


@pytest.mark.parametrize("hidden", [False, True])
def test_only_what_a_mask_covers_changes(client: Client, hidden: bool) -> None:
    (seen,) = kakusan.generate("a red apple on a table", seed=3, progress=False)
    picture = seen.image.convert("RGBA")  # of what the model knows, its encoder above all
    picture.paste((0, 0, 0, 0), (0, 64, 128, 128), None)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    form = {"image": ("in.png", buffer.getvalue(), "image/png")}
    name = client.session.post(f"{client.url}/upload/image", files=form).json()["name"]
    graph = over_a_picture(name, 1.0)
    graph["3"]["inputs"] |= {"steps": 8, "cfg": 3}  # its own: stray latents grey all the rest
    graph["6"]["inputs"]["text"] = "a red apple on a table"
    inputs = {"pixels": ["10", 0], "vae": ["4", 2], "mask": ["10", 1], "grow_mask_by": 6}
    if hidden:
        graph["11"] = {"class_type": "VAEEncodeForInpaint", "inputs": inputs}
    else:
        masked = {"samples": ["11", 0], "mask": ["10", 1]}
        graph["12"] = {"class_type": "SetLatentNoiseMask", "inputs": masked}
        graph["3"]["inputs"]["latent_image"] = ["12", 0]
    (found,) = drawn(client, graph)
    before = np.asarray(picture.convert("RGB")).astype(int)
    change = np.abs(found.astype(int) - before).mean((1, 2))
    assert change[:40].mean() < change[88:].mean() / 3


def test_files_tell_how_they_were_made(client: Client) -> None:
    entry = client.wait(client.submit(changed(**TEXTS)), 120)
    (picture,) = client.pictures(entry)
    assert "parameters" in picture.info
    again = kakusan.reproduce(json.loads(picture.info["kakusan"]), progress=False)
    assert np.array_equal(np.asarray(again.image), np.asarray(picture))
