"""Programs that pages show, run as readers would: in a process of their own, in an empty folder."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.v1_4 import write_checkpoint

ROOT = Path(__file__).parents[1]
CLIP = "openai/clip-vit-large-patch14"
V1_4 = "CompVis/stable-diffusion-v1-4"


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def write_hub_cache(home: Path) -> None:
    """A Hub cache that holds the two published models, tiny and with random weights."""
    whole, clip = (_snapshot(home, name) for name in (V1_4, CLIP))
    write_checkpoint(whole, "tiny")
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(whole / part, clip, dirs_exist_ok=True)


def _snapshot(home: Path, name: str) -> Path:
    """The folder in which the cache under `home` keeps the model's files."""
    model = home / "hub" / f"models--{name.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40, encoding="ascii")
    folder = model / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    return folder


def run_program(program: str, hub_cache: Path, folder: Path) -> None:
    """Run a program without a network, and see that every picture it saves is there."""
    environment = {"HF_HOME": str(hub_cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=os.environ | environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saved = re.findall(r"\.(?:save|animation)\(\"([\w.]+)\"\)", program)
    assert all((folder / name).stat().st_size > 0 for name in saved)
