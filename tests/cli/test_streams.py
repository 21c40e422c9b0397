"""Streams that are closed, full, or read no longer: a program in a pipe ends quietly."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import kakusan
from kakusan.images import read_picture, read_record

SOURCE = Path(kakusan.__file__).parents[1]
PROGRAM = [sys.executable, "-m", "tests.cli.program"]
DRAWING = "generate cat --seed 1 -o"
TALKING = ["--help", "--version", "models list"]


def shell(line: str, here: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash in `here`, where KAKUSAN is the command."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line.replace("KAKUSAN", shlex.join(PROGRAM))],
        cwd=here,
        env=os.environ | {"PYTHONPATH": f"{SOURCE}{os.pathsep}{Path(__file__).parents[2]}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("line", TALKING)
@pytest.mark.parametrize(
    ("to", "code", "said"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&-", 0, ""),
        ("<&- >&- 2>&-", 0, ""),
        ("| true", 141, ""),
        ("2>/dev/full", 0, ""),
    ],
)
def test_what_only_talks(tmp_path: Path, line: str, to: str, code: int, said: str) -> None:
    if to == "| true":  # reads nothing, and is gone before there is something
        to = "| (exec <&-; sleep 0.1)"
    done = shell(f"KAKUSAN {line} {to}", tmp_path)
    assert (done.returncode, done.stderr) == (code, said)


@pytest.mark.parametrize("line", TALKING)
def test_a_full_disk_for_what_only_talks(tmp_path: Path, line: str) -> None:
    done = shell(f"KAKUSAN {line} >/dev/full", tmp_path)
    assert done.returncode in (1, 2)
    assert done.stderr.startswith("kakusan: ")
    assert "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_first_lines_are_enough(tmp_path: Path) -> None:
    done = shell("KAKUSAN --help | head -1", tmp_path)
    assert done.stdout.startswith("Usage: kakusan")
    assert done.stderr == ""
    assert done.returncode in (0, 141)


def test_pictures_are_whole_where_nobody_reads_their_paths(tmp_path: Path) -> None:
    done = shell(f"KAKUSAN {DRAWING} a.png --count 3 | (exec <&-; sleep 0.1)", tmp_path)
    assert (done.returncode, done.stderr) == (141, "")
    assert [path.name for path in tmp_path.iterdir()] == ["a-1.png"]
    assert read_picture(tmp_path / "a-1.png").size == (16, 8)


@pytest.mark.parametrize("to", [">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
def test_pictures_are_whole_where_streams_are_closed(tmp_path: Path, to: str) -> None:
    done = shell(f"KAKUSAN {DRAWING} a.png --count 2 {to}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("a-1.png", "a-2.png"):
        assert read_picture(tmp_path / name).size == (16, 8)
        assert read_record(tmp_path / name) is not None


def test_pictures_go_on_where_their_paths_find_no_room(tmp_path: Path) -> None:
    done = shell(f"KAKUSAN {DRAWING} a.png --count 2 >/dev/full", tmp_path)
    assert done.returncode == 3
    assert done.stderr.splitlines() == [
        "kakusan: cannot write to stdout: No space left on device; the picture is in 'a-1.png'",
        "kakusan: cannot write to stdout: No space left on device; the picture is in 'a-2.png'",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-1.png", "a-2.png"]


def test_a_document_that_finds_no_room(tmp_path: Path) -> None:
    done = shell(f"KAKUSAN {DRAWING} a.png --json >/dev/full", tmp_path)
    assert done.returncode == 3
    assert done.stderr == (
        "kakusan: cannot write to stdout: No space left on device; pictures are in a.png\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_an_error_that_nobody_hears_has_its_code(tmp_path: Path) -> None:
    for to in ("2>&-", "2>/dev/full"):
        assert shell(f"KAKUSAN generate cat --steps 0 {to}", tmp_path).returncode == 2
