"""Programs that pages show, run as readers would: in a process of their own, in an empty folder."""

import importlib
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
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
    """Run a program without a network, and see that every picture it saves is there.

    The built-in model takes two steps where the program does not say how many.
    """
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as told:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["torch"])  # imported once for all
        process = context.Process(target=_run, args=(program, hub_cache, folder, told.name))
        process.start()
        process.join()
        assert process.exitcode == 0, Path(told.name).read_text(encoding="utf-8")
    saved = re.findall(r"\.(?:save|animation)\(\"([\w.]+)\"\)", program)
    assert all((folder / name).stat().st_size > 0 for name in saved)


def _run(program: str, hub_cache: Path, folder: Path, told: str) -> None:
    """In the new process: everything as if `python` had been started for the program."""
    output = os.open(told, os.O_WRONLY)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.chdir(folder)
    os.environ.update({"HF_HOME": str(hub_cache), "HF_HUB_OFFLINE": "1"})
    folder_class = importlib.import_module("kakusan.pipeline.index").Folder
    own = folder_class.defaults
    folder_class.defaults = lambda self: own(self) and {**own(self), "num_inference_steps": 2}
    exec(compile(program, "<page>", "exec"), {"__name__": "__main__"})
