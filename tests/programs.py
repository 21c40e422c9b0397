"""Programs that pages show, run as readers would: in a process of their own, in an empty folder."""

import importlib
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from tests.forking import fork_server

ROOT = Path(__file__).parents[1]
FILES = "files"  # beside the cache: those that pages name as if readers had them


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


def run_program(program: str, hub_cache: Path, folder: Path) -> None:
    """Run a program without a network, and see that every picture it saves is there.

    The built-in model takes two steps where the program does not say how many. Files that it names
    are there.
    """
    for file in (hub_cache / FILES).glob("*"):
        if file.name in program:
            shutil.copy(file, folder)
    with tempfile.NamedTemporaryFile("w+", encoding="utf-8") as told:
        process = fork_server("torch").Process(
            target=_run, args=(program, hub_cache, folder, told.name)
        )
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
