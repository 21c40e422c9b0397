"""The page of the server: each program and each command on it, against a server as it is."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from kakusan.server.settings import MEGABYTE, Settings
from tests.programs import ROOT, code_blocks
from tests.server.dialects.comfyui.graphs import DEFAULT

pytest.importorskip("uvicorn")
PAGE = ROOT / "docs" / "guides" / "server.md"
JAPANESE = ROOT / "docs" / "ja" / "guides" / "server.md"
TITLES = {"KSampler": "KSampler", "CheckpointLoaderSimple": "Load Checkpoint"}
TITLES |= {"SaveImage": "Save Image"}


@dataclass(frozen=True)
class Served:
    """A `kakusan serve` in a home of its own, where what the page shows is run."""

    home: Path
    port: int
    comfyui: int

    def here(self, program: str) -> str:
        """With this server's ports, and fewer steps."""
        fewer = program.replace('"seed": 7}', '"seed": 7, "num_inference_steps": 4}')
        fewer = fewer.replace("cfg_scale=3", "cfg_scale=3, steps=4")
        return fewer.replace("7860", str(self.port)).replace("8188", str(self.comfyui))

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "XDG_DATA_HOME"}
        return {**kept, "HOME": str(self.home), "PYTHONPATH": str(ROOT / "src")}

    def run(self, command: list[str], **more: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.home,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    home = tmp_path_factory.mktemp("home")
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        found = Served(home, one.getsockname()[1], other.getsockname()[1])
    command = [sys.executable, "-m", "kakusan", "serve", "--keep-free", "0", "--no-open"]
    command += ["--port", str(found.port), "--comfyui-port", str(found.comfyui)]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            command, env=found.environment, stdout=subprocess.PIPE, stderr=log, text=True, cwd=home
        )
    assert process.stdout is not None
    with process, process.stdout:
        line = process.stdout.readline()
        assert line.startswith(f"kakusan is at http://127.0.0.1:{found.port} - open http"), line
        yield found
        process.terminate()


def size(path: Path) -> tuple[int, int]:
    """Of a picture in a file."""
    with Image.open(path) as picture:
        return picture.size


def test_both_languages_show_the_same() -> None:
    for language in ("bash", "python", "json", "text"):
        both = [code_blocks(each.read_text("utf-8"), language) for each in (PAGE, JAPANESE)]
        assert both[0] == both[1]
        assert both[0]


@pytest.mark.skipif(sys.platform != "linux", reason="the page's paths are Linux's")
def test_the_commands_of_curl_do_what_is_said(served: Served) -> None:
    lines = "\n".join(code_blocks(PAGE.read_text("utf-8"), "bash")).splitlines()
    script = "\n".join(each for each in lines if not each.startswith(("kakusan", "pip")))
    assert script.count("curl -s") == 9
    said = served.run(["bash", "-e", "-o", "pipefail", "-c", served.here(script)])
    job = json.loads((served.home / "job.json").read_text())
    assert job["state"] in ("queued", "running")
    for kind in ("queued", "started", "step", "picture", "done"):
        assert f"event: {kind}\n" in said
    assert '"state":"done"' in said
    assert size(served.home / "cat.png") == (128, 128)
    assert '"strength":0.3' in said
    assert "kakusan_jobs_total" in said


def test_the_programs_draw(served: Served) -> None:
    graph = {
        number: {**node, "_meta": {"title": TITLES.get(node["class_type"], node["class_type"])}}
        for number, node in DEFAULT.items()
    }
    (served.home / "workflow_api.json").write_text(json.dumps(graph))
    (folder,) = served.home.rglob("token")
    programs = code_blocks(PAGE.read_text("utf-8"), "python")
    assert len(programs) == 4
    whole = f"for program in {[served.here(each) for each in programs]!r}:\n    exec(program, {{}})"
    served.run([sys.executable, "-c", whole], TOKEN=folder.read_text().strip())
    pictures = list(served.home.glob("*.png"))
    assert {"webui.png", "openai.png", "edited.png", "ollama.png"} <= {x.name for x in pictures}
    assert any(each.name.startswith("ComfyUI_") for each in pictures)
    assert set(map(size, pictures)) == {(128, 128)}


@pytest.mark.parametrize("page", [PAGE, JAPANESE], ids=["en", "ja"])
def test_the_limits_are_those_of_the_page(page: Path) -> None:
    text, usual = page.read_text("utf-8"), Settings(data=Path("x"))
    assert usual.most_bytes == 32 * MEGABYTE
    assert "32 MB" in text
    assert f"{usual.keep_jobs:,}" in text
    assert usual.disk_floor == 256 * MEGABYTE
    assert "256 MB" in text
    assert str(usual.most_waiting) in text
    assert f"{usual.drain:g}" in text
