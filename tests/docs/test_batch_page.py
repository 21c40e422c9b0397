"""The page of tables: each command and each program on it, one after the other in one folder."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kakusan.batch import row
from kakusan.batch.columns import SYNONYMS
from kakusan.batch.local import LocalEngine
from kakusan.cli import main
from kakusan.cli.exits import DONE
from tests.batch.making import everything
from tests.programs import ROOT, code_blocks

pytest.importorskip("datasets")
pytest.importorskip("webdataset")
fsspec = pytest.importorskip("fsspec")
PAGE = ROOT / "docs" / "guides" / "batch.md"
JAPANESE = ROOT / "docs" / "ja" / "guides" / "batch.md"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.parametrize("language", ["bash", "python", "text"])
def test_both_languages_show_the_same(language: str) -> None:
    both = [code_blocks(text_of(page), language) for page in (PAGE, JAPANESE)]
    assert both[0] == both[1]
    assert both[0]


@pytest.mark.parametrize("page", [PAGE, JAPANESE], ids=["en", "ja"])
def test_the_names_on_the_page_are_those_of_the_code(page: Path) -> None:
    text = text_of(page)
    statuses = {value for name, value in vars(row).items() if name.startswith("FAILED_")}
    assert set(re.findall(r"^- `(failed_\w+)`", text, re.MULTILINE)) == statuses
    for word in re.findall(r"^\| `.*?\|(.*?)\|.*$", text.partition("| `row`")[0], re.MULTILINE):
        for synonym in re.findall(r"`(\w+)`", word):
            assert synonym in SYNONYMS


class Here(LocalEngine):
    """Draws in this process, in the place of another."""

    def __init__(self, make: object, attempts: object, told: object) -> None:
        super().__init__()

    def close(self) -> None:
        """Nothing was begun."""


@pytest.fixture
def out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Path:
    """A folder in which every command of the page was run, with fewer steps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kakusan.cli.batch_engines.Supervised", Here)
    table, said = code_blocks(text_of(PAGE), "text")
    Path("prompts.csv").write_text(table.replace(",15,", ",2,"), encoding="utf-8")
    for line in "\n".join(code_blocks(text_of(PAGE), "bash")).splitlines():
        before, _, command = line.rpartition("kakusan ")
        if before:
            given = subprocess.run(["bash", "-c", before.rstrip("| ")], capture_output=True)
            monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(given.stdout)))
        assert main(shlex.split(command.replace("--steps 15", "--steps 2"))) == DONE, line
        told = capsys.readouterr()
        if line.endswith("-o out/"):
            assert f"{told.err}{told.out}" == said
    fsspec.filesystem("memory").store.clear()
    return tmp_path


def test_the_page_does_what_it_says(out: Path) -> None:
    lines = (out / "out" / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
    names = re.findall(r"`(\w+)`", text_of(PAGE).partition("| `row`")[2].partition("\n\n")[0])
    assert json.loads(lines[0]).keys() == {*names, "row", "label"} - {"id", "success"}
    assert len(list((out / "apples").glob("*.png"))) == 3
    assert everything(out / "all") == everything(out / "out")
    programs = code_blocks(text_of(PAGE), "python")
    assert len(programs) == 3
    whole = f"for program in {programs!r}:\n    exec(program, {{}})"
    environment = {**os.environ, "HF_HOME": str(out / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", whole], cwd=out, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("(128, 128)") == 3 + 3 + 1
