"""How the command starts: without torch, the same by either name, and quietly."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import kakusan
from kakusan.cli import main
from kakusan.cli.console import one_line, printable

SOURCE = Path(kakusan.__file__).parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(SOURCE)}
HEAVY = {"torch", "numpy", "PIL", "huggingface_hub", "tokenizers", "rich"}


def python(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        env=ENVIRONMENT | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def modules_after(*words: str) -> set[str]:
    """What is imported once a command has run."""
    code = "import sys; from kakusan.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    return set(python("-c", code, *words).stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "line",
    ["--help", "--version", "generate --help", "models --help", "generate x --steps 0", "nope"],
)
def test_nothing_heavy_is_imported(line: str) -> None:
    loaded = modules_after(*line.split())
    assert "kakusan.cli" in loaded
    assert not loaded & HEAVY


def test_info_does_not_wait_for_torch(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    code = "import sys; from kakusan.cli import main; main(sys.argv[1:]); print(*sys.modules)"
    done = python("-c", code, "info", str(tmp_path / "a.png"))
    assert "has no record" in done.stderr
    assert "torch" not in done.stdout.splitlines()[-1].split()


def test_python_m_is_the_same_command() -> None:
    done = python("-m", "kakusan", "--version")
    assert (done.returncode, done.stdout) == (0, f"kakusan {kakusan.__version__}\n")
    done = python("-m", "kakusan", "generate", "cat", "--steps", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("kakusan: --steps must be")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["models"], ["models", "-h"]])
def test_help_is_no_error(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert capsys.readouterr().out.startswith("Usage: kakusan")


def test_ascii_terminals_do_not_break_messages() -> None:
    done = python("-m", "kakusan", "info", "猫\udcff.png", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert done.stderr == "kakusan: there is no file '\\u732b\\udcff.png'\n"


def test_ctrl_c_ends_with_130(tmp_path: Path) -> None:
    code = (
        "import sys, time, kakusan.cli\n"
        "module = sys.modules['kakusan.cli.generate']\n"
        "module.read_prompt = lambda text: print('ready', flush=True) or time.sleep(60)\n"
        "sys.exit(kakusan.cli.main(['generate', '-']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "kakusan: interrupted\n")
    assert not list(tmp_path.iterdir())


def test_messages_are_one_harmless_line() -> None:
    assert one_line("a\nb\x1b[31m\t c\ud800") == "a b\\x1b[31m c\\ud800"
    assert printable("猫🐱\n\t") == "猫🐱\n\t"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("kakusan re", "reproduce"),
        ("kakusan generate cat --scheduler euler-", "euler-a euler-cfgpp euler-a-cfgpp"),
        ("kakusan grid cat --dtype b", "bfloat16"),
        ("kakusan models show b", "builtin"),
    ],
)
def test_tab_completes(typed: str, offered: str) -> None:
    done = python(
        "-m",
        "kakusan",
        _KAKUSAN_COMPLETE="complete_bash",
        COMP_WORDS=typed,
        COMP_CWORD=str(len(typed.split()) - 1),
    )
    assert (done.returncode, done.stdout.split()) == (0, offered.split())
