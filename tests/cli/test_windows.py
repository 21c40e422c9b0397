"""What is written to stdout and to disks where Windows' code pages and names hold."""

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from kakusan.checkpoints import file_names
from kakusan.cli import console
from kakusan.cli.place import Place
from kakusan.errors import OutputError


def told_by(monkeypatch: pytest.MonkeyPatch, *, platform: str) -> io.BytesIO:
    """What stdout is told from now on, in a Japanese Windows' code page."""
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, "cp932", newline="\n"))
    monkeypatch.setattr(console, "sys", SimpleNamespace(stdout=sys.stdout, platform=platform))
    return raw


@pytest.mark.parametrize(
    ("name", "bytes_of_it"),
    [("猫.png", "猫.png\n".encode("cp932")), ("cat-é.png", b"cat-\\xe9.png\n")],
)
def test_a_path_is_told_in_the_code_page(
    monkeypatch: pytest.MonkeyPatch, name: str, bytes_of_it: bytes
) -> None:
    told = told_by(monkeypatch, platform="win32")
    console.say_path(Path(name))
    assert told.getvalue() == bytes_of_it


def test_what_the_code_page_lacks_is_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_by(monkeypatch, platform="win32")
    console.say("猫 \U0001f408 é")
    assert told.getvalue() == "猫 ".encode("cp932") + rb"\U0001f408 \xe9" + b"\n"


def test_elsewhere_a_path_is_told_in_the_systems_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    told = told_by(monkeypatch, platform="linux")
    console.say_path(Path(os.fsdecode(b"cat\xff.png")))
    assert told.getvalue() == b"cat\xff.png\n"


@pytest.mark.parametrize("name", ["con.png", "a:b.png"])
def test_a_name_that_no_picture_can_have_is_said_before_it_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = str(tmp_path / name)
    assert Place.of(place).stem == Path(name).stem
    monkeypatch.setattr(file_names, "sys", SimpleNamespace(platform="win32"))
    with pytest.raises(OutputError, match=r"Windows .*; choose another name with -o$"):
        Place.of(place)
