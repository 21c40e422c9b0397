"""`kakusan info` and `kakusan reproduce`: reading a record back, and making the same pixels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin

from kakusan.images import read_picture, read_record, save_image
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]


@pytest.fixture
def cat(fake: FakeDrawing, here: Path) -> Path:
    return save_image(fake.image(7), here / "cat.png", fake.record("a cat", 7))


def changed(fake: FakeDrawing, here: Path, **changes: Any) -> Path:
    record = {**fake.record("a cat", 7), **changes}
    return save_image(fake.image(7), here / "cat.png", record)


def web_ui_picture(path: Path) -> Path:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 5")
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def test_info_shows_the_record(run: Command, cat: Path) -> None:
    done = run("info", "cat.png")
    assert (done.code, done.err) == (0, "")
    assert "prompt: a cat" in done.lines
    assert "seed: 7" in done.lines
    assert 'scheduler: {"_class_name": "PNDMScheduler"}' in done.lines
    assert not [line for line in done.lines if line.startswith(("commit", "notes"))]


def test_info_as_json_is_the_record(run: Command, cat: Path, fake: FakeDrawing) -> None:
    assert run("info", "cat.png", "--json").json() == fake.record("a cat", 7)


def test_info_cannot_drive_the_terminal(run: Command, fake: FakeDrawing, here: Path) -> None:
    changed(fake, here, prompt="a\x1b]0;owned\x07\nb\ud83d\u202e")
    done = run("info", "cat.png")
    assert "prompt: a\\x1b]0;owned\\x07" in done.lines
    assert "    b\\ud83d\\u202e" in done.lines


def test_info_reads_other_programs_pictures(run: Command, here: Path) -> None:
    web_ui_picture(here / "dog.png")
    done = run("info", "dog.png")
    assert done.code == 0
    assert {"prompt: a dog", "seed: 5", "sampler: Euler a"} <= set(done.lines)


def test_the_same_pixels(run: Command, cat: Path, here: Path) -> None:
    done = run("reproduce", str(cat))
    assert (done.code, done.lines) == (0, [str(here / "cat-reproduced.png")])
    assert done.err == "kakusan: the pixels are identical to the given picture's\n"
    again = here / "cat-reproduced.png"
    assert read_picture(again).tobytes() == read_picture(cat).tobytes()
    assert read_record(again) == read_record(cat)


def test_other_pixels_are_said(run: Command, cat: Path, fake: FakeDrawing) -> None:
    fake.size = (24, 8)
    done = run("reproduce", "cat.png", "-o", "again.png", "--json")
    assert done.code == 3
    assert done.json()["identical"] is False
    assert done.json()["path"] == "again.png"


def test_a_lossy_format_cannot_be_compared(run: Command, fake: FakeDrawing, here: Path) -> None:
    save_image(fake.image(7), here / "cat.jpg", fake.record("a cat", 7))
    done = run("reproduce", "cat.jpg")
    assert (done.code, done.lines) == (0, ["cat-reproduced.jpg"])
    assert "cannot be compared" in done.err


def test_a_picture_that_is_cut_is_made_again(run: Command, cat: Path, fake: FakeDrawing) -> None:
    fake.size = (200, 200)
    save_image(Image.effect_noise((200, 200), 50), cat, read_record(cat))
    cat.write_bytes(cat.read_bytes()[:20_000])
    done = run("reproduce", "cat.png")
    assert done.code == 0
    broken, verdict = done.err.splitlines()
    assert "'cat.png' is a broken picture" in broken
    assert "cannot be compared" in verdict


def test_another_version_is_a_warning(run: Command, fake: FakeDrawing, here: Path) -> None:
    changed(fake, here, kakusan="0.0.9", device="quantum")
    done = run("reproduce", "cat.png")
    assert done.code == 0
    assert done.err.splitlines()[0] == (
        "kakusan: the pixels may differ: kakusan 0.0.9 then, 0.1.0 now, device quantum then, "
        "cpu now"
    )


def test_a_grid_is_made_again(run: Command, fake: FakeDrawing, here: Path) -> None:
    (path,) = run("generate", "cat", "--grid", "2x2", "--seed", "3").lines
    done = run("reproduce", path, "-o", "again.png")
    assert done.code == 0
    assert "identical" in done.err
    assert read_record(here / "again.png") == read_record(here / path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seed": None}, "has no seed"),
        ({"model": None}, "names no model"),
        ({"model": 7}, "model must be a text, not 7"),
        ({"dtype": ["float32"]}, "dtype must be a text"),
        ({"seed": "x"}, "seed must be a whole number"),
        ({"width": 10**9}, "width must be"),
        ({"num_inference_steps": 10**9}, "num_inference_steps must be"),
        ({"guidance_scale": "much"}, "guidance_scale must be"),
        ({"prompt": 3}, "prompt must be a text"),
        ({"grid": [1, 1], "pictures": 3}, "grid is broken"),
    ],
)
def test_a_record_that_cannot_be_used_is_refused(
    run: Command, fake: FakeDrawing, here: Path, changes: dict[str, Any], said: str
) -> None:
    changed(fake, here, **changes)
    done = run("reproduce", "cat.png")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert [path.name for path in here.iterdir()] == ["cat.png"]


def test_another_tools_picture_that_names_no_model_is_asked_about(run: Command, here: Path) -> None:
    web_ui_picture(here / "dog.png")
    done = run("reproduce", "dog.png")
    assert (done.code, done.out) == (2, "")
    assert "does not tell its model; say with --model" in done.err


def test_a_model_that_moved_is_named(run: Command, fake: FakeDrawing, here: Path) -> None:
    changed(fake, here, model=None)
    done = run("reproduce", "cat.png", "--model", "builtin")
    assert done.code == 0
    assert "identical" in done.err


@pytest.mark.parametrize(
    ("model", "commit", "said"),
    [
        ("models/mine", None, "'models/mine', which is a folder; say with --model"),
        ("someone/else", "a" * 40, "'someone/else', which is not in the cache of models"),
    ],
)
def test_a_strangers_model_is_used_only_when_told(
    run: Command, fake: FakeDrawing, here: Path, model: str, commit: str | None, said: str
) -> None:
    changed(fake, here, model=model, commit=commit)
    done = run("reproduce", "cat.png")
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert "or with --yes that it may be used" in done.err
    assert [path.name for path in here.iterdir()] == ["cat.png"]
    assert run("reproduce", "cat.png", "--yes").code == 0
    assert run("reproduce", "cat.png", "--model", "builtin").code == 0


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("n", 2), ("", 2)])
def test_on_a_terminal_the_user_is_asked(
    run: Command,
    fake: FakeDrawing,
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    answer: str,
    code: int,
) -> None:
    changed(fake, here, model="models/mine\x1b]0;x")
    asked: list[str] = []

    def confirm(question: str, **_: object) -> bool:
        asked.append(question)
        return answer == "y"

    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("typer.confirm", confirm)
    assert run("reproduce", "cat.png", "-q").code == code
    (question,) = asked
    assert "'cat.png' names the model 'models/mine" in question
    assert question.isprintable()


def test_a_version_that_is_a_path_is_refused(run: Command, fake: FakeDrawing, here: Path) -> None:
    changed(fake, here, model="CompVis/stable-diffusion-v1-4", commit="/etc")
    done = run("reproduce", "cat.png")
    assert done.code == 2
    assert "commit must be 40 hexadecimal digits, not '/etc'" in done.err


def test_a_grid_of_too_many_or_unequal_pictures_is_refused(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    changed(fake, here, grid=[1, 1001], pictures=[{}] * 1001)
    assert "at most 1000" in run("reproduce", "cat.png").err
    changed(fake, here, grid=[1, 2], pictures=[{"width": 64}, {"width": 128}])
    assert "its pictures have different sizes" in run("reproduce", "cat.png").err


def test_what_is_not_as_then_is_said_shortly(run: Command, fake: FakeDrawing, here: Path) -> None:
    changed(fake, here, kakusan="9\n" * 100_000, device="x" * 100_000)
    done = run("reproduce", "cat.png")
    assert done.code == 0
    assert len(done.err) < 400
