"""Clients written in JavaScript, as they are; where there is no Node, or no registry, skipped."""

import base64
import io
import json
import os
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.server.dialects.openai.serving import Running, running
from tests.server.fakes import png

PACKAGES = ("openai@7.55.0", "@ai-sdk/openai-compatible@2.0.92", "ollama@0.6.4")
PROGRAMS = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages are, and the programs that use them."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node is not installed")
    found = tmp_path_factory.mktemp("node")
    install = [npm, "install", "--no-audit", "--no-fund", "--prefer-offline", *PACKAGES]
    try:
        subprocess.run(install, cwd=found, capture_output=True, check=True, timeout=120)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("npm cannot fetch the packages")
    shutil.copytree(PROGRAMS, found, dirs_exist_ok=True)
    mask = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    mask.save(found / "mask.png")
    (found / "picture.png").write_bytes(png(64, 64))
    return found


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Running]:
    with running(tmp_path_factory.mktemp("server")) as found:
        yield found


def told(program: str, folder: Path, server: Running) -> Any:
    """What a program prints."""
    done = subprocess.run(
        ["node", program],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ
        | {
            "BASE": server.url,
            "TOKEN": server.token,
            "PICTURE": str(folder / "picture.png"),
            "MASK": str(folder / "mask.png"),
        },
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def size(data: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True))).size


def test_openai(folder: Path, server: Running) -> None:
    found = told("openai.mjs", folder, server)
    assert "builtin" in found["models"]
    assert found["model"] == "builtin"
    assert [size(each["b64_json"]) for each in found["made"]["data"]] == [(64, 64)] * 2
    assert found["made"]["usage"]["output_tokens"] == 128
    assert found["fetched"] == "image/png"
    assert size(found["edited"]["data"][0]["b64_json"]) == (64, 64)
    assert [each["type"] for each in found["events"]] == ["image_generation.completed"]
    assert size(found["events"][0]["b64_json"]) == (64, 64)
    assert found["refused"] == {"is": True, "param": "size"}
    assert found["turnedAway"] is True


def test_the_ai_sdk(folder: Path, server: Running) -> None:
    found = told("ai_sdk.mjs", folder, server)
    assert [size(each) for each in found["made"]] == [(64, 64)]
    assert len(found["edited"]) == 1
    assert found["refused"]["status"] == 400
    assert found["refused"]["retry"] is False
    assert "multiple of 8" in found["refused"]["message"]


def test_ollama(folder: Path, server: Running) -> None:
    found = told("ollama.mjs", folder, server)
    assert "builtin:latest" in found["models"]
    assert found["can"] == ["image"]
    assert size(found["made"]["image"]) == (64, 64)
    assert found["lines"][-1]["done"] is True
    assert size(found["lines"][-1]["image"]) == (64, 64)
    assert found["unknown"] == {"status": 404, "message": "model 'other' not found"}
