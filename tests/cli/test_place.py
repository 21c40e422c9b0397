"""Where pictures go: nothing is replaced unasked, and nothing finished is lost."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.cli.options import complete_model
from kakusan.errors import OutputError
from kakusan.images import read_picture, read_record
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_that_is_there_stays(run: Command, fake: FakeDrawing, here: Path) -> None:
    (here / "a.png").write_text("mine")
    done = run("generate", "cat", "-o", "a.png")
    assert (done.code, done.lines) == (0, ["a-2.png"])
    assert done.err == ("kakusan: 'a.png' exists: saved as 'a-2.png' (--overwrite replaces it)\n")
    assert (here / "a.png").read_text() == "mine"


def test_several_files_that_are_there_are_said_once(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    for _ in range(2):
        done = run("generate", "cat", "-o", "a.png", "--count", "3")
    assert done.lines == ["a-1-2.png", "a-2-2.png", "a-3-2.png"]
    assert len(done.err.splitlines()) == 1


@pytest.mark.parametrize("command", ["generate", "grid", "reproduce"])
def test_a_file_is_replaced_where_that_is_asked(
    run: Command, fake: FakeDrawing, here: Path, command: str
) -> None:
    run("generate", "cat", "-o", "cat.png")
    (here / "a.png").write_text("old")
    words = {
        "generate": ["cat"],
        "grid": ["a cat", "--x", "steps=1", "--width", "64", "--height", "64"],
        "reproduce": ["cat.png"],
    }[command]
    done = run(command, *words, "-o", "a.png", "--overwrite")
    assert (done.code, done.lines) == (0, ["a.png"])
    assert read_picture(here / "a.png")
    assert files(here) == ["a.png", "cat.png"]


def test_a_picture_is_not_replaced_by_its_reproduction(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    run("generate", "cat", "-o", "cat.png")
    before = (here / "cat.png").read_bytes()
    assert run("reproduce", "cat.png", "-o", "cat.png").lines == ["cat-2.png"]
    assert (here / "cat.png").read_bytes() == before


@pytest.mark.parametrize("output", ["model", "a.safetensors"])
def test_training_does_not_begin_over_a_result(run: Command, here: Path, output: str) -> None:
    (here / "model").mkdir()
    (here / "a.safetensors").touch()
    command = {"model": "unet", "a.safetensors": "lora"}[output]
    done = run("train", command, "pictures", "-o", output)
    assert done.code == 2
    assert f"'{output}' is there already; --overwrite replaces it" in done.err


@pytest.fixture
def full(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on a disk that is full from the first picture on; where else is room."""
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(room))
    (here / "full").mkdir()
    link = os.link

    def linked(source: Path, target: Path) -> None:
        if target.parent.name == "full":
            raise OSError(28, "No space left on device")
        link(source, target)

    def touched(path: Path, mode: int = 0o666, exist_ok: bool = True) -> None:
        if path.parent.name == "full":
            raise OSError(28, "No space left on device")
        path.open("wb" if exist_ok else "xb").close()

    monkeypatch.setattr(os, "link", linked)
    monkeypatch.setattr(Path, "touch", touched)
    return room


@pytest.mark.parametrize("shape", ["1x3", "2x2"])
def test_a_grid_on_a_full_disk_is_saved_elsewhere(
    run: Command, fake: FakeDrawing, here: Path, full: Path, shape: str
) -> None:
    done = run("generate", "cat", "--grid", shape, "-o", "full/g.png")
    assert (done.code, done.lines) == (3, ["g.png"])
    assert "'g.png' was saved instead" in done.err
    assert "No space left" in done.err
    record = read_record(here / "g.png")
    assert record is not None
    assert len(record["pictures"]) == int(shape[0]) * int(shape[2])


def test_a_grid_of_settings_on_a_full_disk_is_saved_elsewhere(
    run: Command, here: Path, full: Path
) -> None:
    size = ["--width", "64", "--height", "64"]
    done = run("grid", "a cat", "--x", "steps=1,2", *size, "-o", "full/g.png", "--json")
    assert done.code == 3
    (saved,) = done.json()["pictures"]
    assert saved["path"] == "g.png"
    assert "No space left" in done.json()["error"]
    assert (here / "g.png").is_file()


def test_pictures_of_a_grid_that_is_too_large_are_saved_alone(
    run: Command, fake: FakeDrawing, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_given: object) -> None:
        raise MemoryError

    monkeypatch.setattr("kakusan.images.image_grid", too_large)
    done = run("generate", "cat", "--grid", "1x3", "-o", "g.png")
    assert (done.code, done.lines) == (3, ["g-1.png", "g-2.png", "g-3.png"])
    assert "(3 of 3 pictures were saved)" in done.err


def test_the_picture_that_fills_a_disk_is_saved_elsewhere(
    run: Command, fake: FakeDrawing, here: Path, full: Path
) -> None:
    done = run("generate", "cat", "--count", "3", "-o", "full/a.png")
    assert (done.code, done.lines) == (3, ["a-1.png"])
    assert done.err.splitlines() == [
        "kakusan: 'a-1.png' was saved instead",
        "kakusan: cannot write full/a-1.png: No space left on device. (1 of 3 pictures were saved)",
    ]


def test_a_reproduction_on_a_full_disk_is_saved_elsewhere(
    run: Command, fake: FakeDrawing, here: Path, full: Path
) -> None:
    run("generate", "cat", "-o", "cat.png")
    done = run("reproduce", "cat.png", "-o", "full/again.png", "--json")
    assert done.code == 3
    assert (done.json()["path"], done.json()["identical"]) == ("again.png", True)


def test_where_nothing_can_be_written_it_is_an_error(
    run: Command, fake: FakeDrawing, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(*_given: object) -> None:
        raise OutputError("cannot write: No space left on device")

    monkeypatch.setattr("kakusan.images.metadata.write_new", nowhere)
    done = run("generate", "cat", "--grid", "1x2", "-o", "g.png")
    assert (done.code, done.out) == (2, "")
    assert "2 finished pictures are lost" in done.err


def test_models_are_completed(here: Path, tmp_path: Path) -> None:
    (tmp_path / "cache" / "models--owner--some--name").mkdir(parents=True)
    assert complete_model("") in (["builtin"], ["builtin", "owner/some--name"])
    assert complete_model("b") == ["builtin"]
