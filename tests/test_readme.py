"""What the READMEs promise: their commands, options, links and programs."""

import ast
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

import kakusan
from kakusan.cli import app
from kakusan.schedulers import SHORT_NAMES
from tests.programs import ROOT, code_blocks, run_program


def read(name: str) -> str:
    """A text file at the top of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


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


def command_lines(page: str = "README.md") -> list[list[str]]:
    """The arguments of every `kakusan …` command that a page shows."""
    lines = "\n".join(code_blocks(read(page), "bash")).replace("&&", "\n").splitlines()
    commands = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in commands if words and Path(words[0]).name == "kakusan"]


@pytest.mark.parametrize("words", command_lines(), ids=" ".join)
def test_the_options_shown_exist(words: list[str]) -> None:
    names = [word for word in words if re.fullmatch(r"[a-z][a-z0-9]*", word)]
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
    assert set(SHORT_NAMES) <= shown  # tests/docs/test_models.py has the classes


def test_the_programs_import_public_names() -> None:
    for program in PROGRAMS:
        for node in ast.walk(ast.parse(program)):
            if isinstance(node, ast.ImportFrom) and node.module == "kakusan":
                assert {alias.name for alias in node.names} <= set(kakusan.__all__)


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_the_programs_run(number: int, hub_cache: Path, tmp_path: Path) -> None:
    # fewer steps, and no GPU: nothing else is changed
    program = PROGRAMS[number].replace('"cuda"', '"cpu"').replace("steps=50", "steps=2")
    if "def paint(" in program:
        program += '\nassert paint("a cat", steps=2).shape == (1, 3, 512, 512)\n'
    run_program(program, hub_cache, tmp_path)


STAYING = ("serve", "mcp")  # until they are told to stop: tests/docs/test_server_page.py


def quick(words: list[str]) -> list[str]:
    """A command with few steps: nothing else of it is changed."""
    if words[0] == "train":
        return [*words, "--steps", "1", "--batch", "1"]
    if words[0] == "generate" and not {"--steps", "--fast"} & set(words):
        return [*words, "--steps", "2"]
    if words[0] == "img2img":  # of so few a share is taken
        return [*words, "--steps", "4"]
    return [re.sub(r"^25$|(?<=^steps=)[\d,]+$", "2", word) for word in words]


@pytest.mark.parametrize(
    ("page", "count"),
    [
        ("README.md", 16),
        ("docs/getting-started.md", 2),
        ("docs/how-it-works.md", 1),
        ("docs/guides/reproducing.md", 3),
        ("docs/guides/schedulers.md", 3),
        ("docs/guides/models.md", 3),
        ("docs/guides/memory.md", 2),
    ],
)
def test_the_commands_run_in_order(page: str, count: int, hub_cache: Path, tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "pictures" / "one.png")
    (tmp_path / "pictures" / "one.txt").write_text("a wall", encoding="utf-8")
    lines = [quick(words) for words in command_lines(page) if words[0] not in STAYING]
    assert len(lines) >= count
    program = (
        "from kakusan.cli import main\n"
        f"for words in {lines!r}:\n"
        "    assert main(words) == 0, words\n"
    )
    run_program(program, hub_cache, tmp_path)
    named = {words[words.index("-o") + 1] for words in lines if "-o" in words}
    assert named
    assert all((tmp_path / name).stat().st_size > 0 for name in named)


@pytest.mark.parametrize(
    "page", ["README.md", "README.ja.md", "docs/getting-started.md", "docs/ja/getting-started.md"]
)
def test_the_environment_is_activated_before_a_command_needs_it(page: str) -> None:
    lines = "\n".join(code_blocks(read(page), "bash")).splitlines()
    activation = lines.index(". .venv/bin/activate")
    assert not [line for line in lines[:activation] if line.startswith("kakusan")]
    assert [line for line in lines[activation:] if line.startswith("kakusan")]
    (windows,) = code_blocks(read(page), "powershell")
    assert ".venv\\Scripts\\Activate.ps1" in windows.splitlines()
