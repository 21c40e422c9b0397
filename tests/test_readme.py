"""What the READMEs promise: their commands, options, links and programs."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import kakusan
from benchmarks.v1_4 import write_checkpoint
from kakusan.cli import app
from kakusan.schedulers import SCHEDULERS, SHORT_NAMES

ROOT = Path(__file__).parents[1]
CLIP = "openai/clip-vit-large-patch14"
V1_4 = "CompVis/stable-diffusion-v1-4"


def read(name: str) -> str:
    """A text file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def code_blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


PROGRAMS = code_blocks(read("README.md"), "python")


@pytest.mark.parametrize("language", ["bash", "python"])
def test_both_languages_show_the_same_code(language: str) -> None:
    english, japanese = (code_blocks(read(f"README{end}"), language) for end in (".md", ".ja.md"))
    assert english
    assert english == japanese


def test_ci_runs_the_test_command() -> None:
    (pattern,) = re.findall(r"grep -m1 -F -- '([^']+)' README\.md", read(".ci/run"))
    (command,) = [line for line in read("README.md").splitlines() if pattern in line]
    assert command + "\n" in code_blocks(read("README.md"), "bash")
    assert command.endswith(".venv/bin/pytest -n 2")


def command_lines() -> list[list[str]]:
    """The arguments of every `kakusan …` command that the README shows."""
    lines = "\n".join(code_blocks(read("README.md"), "bash")).replace("&&", "\n").splitlines()
    commands = [shlex.split(line) for line in lines]
    return [words[1:] for words in commands if words and Path(words[0]).name == "kakusan"]


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_the_options_shown_exist(words: list[str]) -> None:
    names = [word for word in words if re.fullmatch(r"[a-z]+", word)]
    command = names[:2] if names[0] in ("models", "train") else names[:1]
    shown = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, [*command, "--help"])
    assert shown.exit_code == 0, shown.output
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown.output))
    assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("name", ["README.md", "README.ja.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_and_pictures_are_here(name: str) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", read(name)):
        assert (ROOT / target).exists(), f"{name} points to {target}"


@pytest.mark.parametrize("name", ["README.md", "README.ja.md"])
def test_every_scheduler_is_listed(name: str) -> None:
    shown = set(re.findall(r"`([\w-]+)`", read(name)))
    assert set(SHORT_NAMES) <= shown
    assert set(SCHEDULERS) <= shown


def test_the_programs_import_public_names() -> None:
    for program in PROGRAMS:
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.ImportFrom) and node.module == "kakusan":
                assert {alias.name for alias in node.names} <= set(kakusan.__all__)


@pytest.fixture(scope="module")
def hub_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hub cache that holds the two published models, tiny and with random weights."""
    home = tmp_path_factory.mktemp("hub")
    whole, clip = (snapshot(home, name) for name in (V1_4, CLIP))
    write_checkpoint(whole, "tiny")
    for part in ("text_encoder", "tokenizer"):
        shutil.copytree(whole / part, clip, dirs_exist_ok=True)
    return home


def snapshot(home: Path, name: str) -> Path:
    """The folder in which the cache under `home` keeps the model's files."""
    model = home / "hub" / f"models--{name.replace('/', '--')}"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0" * 40, encoding="ascii")
    folder = model / "snapshots" / ("0" * 40)
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_run(number: int, hub_cache: Path, tmp_path: Path) -> None:
    # fewer steps, and no GPU: nothing else is changed
    program = PROGRAMS[number].replace('"cuda"', '"cpu"').replace("steps=50", "steps=2")
    if "def paint(" in program:
        program += '\nassert paint("a cat", steps=2).shape == (1, 3, 512, 512)\n'
    environment = {"HF_HOME": str(hub_cache), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | environment | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    saved = re.findall(r"save\(\"([\w.]+)\"\)", program)
    assert all((tmp_path / name).stat().st_size > 0 for name in saved)
