"""Packages of npm's that people drive ComfyUI with, unchanged, against a server of ours."""

import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.server.dialects.comfyui.graphs import DEFAULT
from tests.server.dialects.comfyui.serving import TOKEN, Pretender, Serving, png, pretending

HERE = Path(__file__).parent / "js"
PACKAGES = {
    "@saintno/comfyui-sdk": "0.3.1",
    "@stable-canvas/comfyui-client": "1.5.9",
    "ws": "8.20.0",
}
Node = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def node(request: pytest.FixtureRequest) -> Node:
    """Runs a script with the packages, and gives what it prints."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("there is no Node.js")
    folder = Path(request.config.cache.mkdir("npm-comfyui"))  # pyright: ignore[reportOptionalMemberAccess]
    for name, version in PACKAGES.items():
        try:
            fetch(name, version, folder)
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"npm's {name} cannot be had: {error}")

    def run(script: str, *words: str) -> dict[str, Any]:
        environment = {**os.environ, "NODE_PATH": str(folder / "node_modules")}
        done = subprocess.run(
            ["node", str(HERE / script), *words],
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout)

    return run


def fetch(name: str, version: str, folder: Path) -> None:
    """A package without those that its command line needs."""
    place = folder / "node_modules" / name
    if (place / "package.json").exists():
        return
    packed = subprocess.run(
        ["npm", "pack", f"{name}@{version}", "--silent", "--pack-destination", str(folder)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    file = folder / packed.stdout.split()[-1]
    with tarfile.open(file) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    place.parent.mkdir(parents=True, exist_ok=True)
    (folder / "unpacked" / "package").rename(place)
    file.unlink()


@pytest.mark.parametrize("token", ["", TOKEN])
def test_saintno(node: Node, tmp_path: Path, token: str) -> None:
    picture = tmp_path / "in.png"
    picture.write_bytes(png(64, 64))
    with pretending(tmp_path / "served", {"local": token} if token else {}) as (serving, worker):
        worker.step_s = 0.05
        told = node("saintno.cjs", serving.url, token, json.dumps(DEFAULT), str(picture))
    for each in told["results"]:
        (image,) = each["found"]["images"]["images"]
        assert (image["type"], image["subfolder"]) == ("output", "")
        assert not [line for line in each["told"] if line.startswith("failed")]
    assert told["results"][-1]["told"][-1] == "progress 2/2"
    assert told["refused"][0].startswith("failed EnqueueFailedError")
    assert (told["signature"], told["checkpoints"], told["models"]) == (
        *("PNG", ["builtin"], ["builtin"]),
    )
    assert told["queue"] == {"queue_running": [], "queue_pending": []}
    assert (told["histories"], told["embeddings"], told["freed"]) == (2, [], True)


def test_stable_canvas(node: Node, served: tuple[Serving, Pretender]) -> None:
    told = node("stable_canvas.cjs", served[0].host, json.dumps(DEFAULT))
    for way in ("told", "polled"):
        (image,) = told[way]["images"]
        assert image["type"] == "url"
    assert told["steps"][-1] == [2, 2]
    assert (told["kind"], told["refused"], told["stats"]) == ("image/png", "HttpError", 1)
