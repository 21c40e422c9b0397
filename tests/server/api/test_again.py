"""A job's settings as they are handed in once more, with its pictures."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from PIL import Image, ImageDraw
from starlette.testclient import TestClient

from kakusan.server.pictures import png_of
from tests.server.fakes import HOST, TOKEN, Served, png, served

# What two jobs of the same settings do not share
OWN = {"name"}


@pytest.fixture
def server(tmp_path: Path) -> Generator[Served]:
    with served(tmp_path, works=False) as found:
        yield found


@pytest.fixture
def client(server: Served) -> Generator[TestClient]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    with TestClient(server.app, base_url=f"http://{HOST}", headers=headers) as found:
        yield found


def handed(client: TestClient, data: bytes) -> str:
    return client.post("/v1/inputs", content=data).json()["id"]


def a_mask() -> bytes:
    mask = Image.new("L", (64, 48))
    ImageDraw.Draw(mask).ellipse((8, 8, 40, 40), fill=200)
    return png_of(mask)


def a_transparent() -> bytes:
    image = Image.new("RGBA", (64, 48), (200, 30, 30, 255))
    image.paste((0, 0, 0, 0), (8, 8, 40, 40))
    return png_of(image)


SETTINGS: list[dict[str, Any]] = [
    {"prompt": "a cat"},
    {"prompt": ["a cat", "a dog"], "negative_prompt": "rain", "num_images_per_prompt": 3},
    {"prompt": "a {red|blue} cat", "prompt_syntax": "webui", "num_images_per_prompt": 4},
    {"prompt": "a cat", "scheduler": "euler", "variation_strength": 0.2, "clip_skip": 1},
    {"prompt": "a cat", "image": "picture", "strength": 0.3, "resize_mode": "fill"},
    {"prompt": "a cat", "image": "picture", "mask": "mask", "mask_blur": 2, "only_masked": 16},
    {"prompt": "a cat", "image": "picture", "mask": "box:4,4,16,16"},
    {"prompt": "a cat", "image": "transparent", "mask": "alpha"},
    {
        "prompt": "a cat",
        "image": "picture",
        "controls": [
            {"image": "other", "model": "builtin", "kind": "canny", "scale": 0.7, "end": 0.5},
            {"image": "picture", "model": "builtin", "kind": "canny"},
        ],
    },
]


def with_ids(client: TestClient, settings: dict[str, Any]) -> dict[str, Any]:
    ids = {
        "picture": handed(client, png(64, 48)),
        "other": handed(client, png(48, 64)),
        "mask": handed(client, a_mask()),
        "transparent": handed(client, a_transparent()),
    }
    found = {
        name: ids.get(value, value) if isinstance(value, str) else value
        for name, value in settings.items()
    }
    if "controls" in found:
        found["controls"] = [{**each, "image": ids[each["image"]]} for each in found["controls"]]
    return found


def without_names(told: Any) -> Any:
    if isinstance(told, dict):
        return {n: without_names(value) for n, value in told.items() if n not in OWN}
    return [without_names(each) for each in told] if isinstance(told, list) else told


@pytest.mark.parametrize("settings", SETTINGS)
def test_what_is_handed_in_again_is_the_same_job(
    client: TestClient, settings: dict[str, Any]
) -> None:
    first = client.post("/v1/jobs", json=with_ids(client, settings))
    assert first.status_code == 202, first.text
    again = client.get(f"/v1/jobs/{first.json()['id']}/again")
    assert again.status_code == 200, again.text
    second = client.post("/v1/jobs", json=again.json())
    assert second.status_code == 202, second.text
    assert without_names(second.json()["request"]) == without_names(first.json()["request"])
    once_more = client.get(f"/v1/jobs/{second.json()['id']}/again")
    assert once_more.json() == again.json()


def test_pictures_are_told_as_what_takes_them(client: TestClient) -> None:
    sent = with_ids(client, SETTINGS[-1])
    job = client.post("/v1/jobs", json=sent).json()
    again = client.get(f"/v1/jobs/{job['id']}/again").json()
    assert again["image"] == sent["image"]
    assert [each["image"] for each in again["controls"]] == [
        each["image"] for each in sent["controls"]
    ]
    assert client.get(f"/v1/inputs/{again['image']}").status_code == 200


def test_a_picture_that_is_gone_is_said(client: TestClient, server: Served) -> None:
    job = client.post("/v1/jobs", json=with_ids(client, SETTINGS[4])).json()
    for id in job["inputs"]:
        server.files.input(id).unlink()
    answer = client.get(f"/v1/jobs/{job['id']}/again")
    assert answer.status_code == 422
    assert "hand it in again" in answer.json()["detail"]


def test_nobody_elses_job_is_told(client: TestClient) -> None:
    assert client.get("/v1/jobs/01a21b7c-c21c-7bac-8ced-db109b64a96b/again").status_code == 404
