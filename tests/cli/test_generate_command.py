"""`kakusan generate`: names, formats, grids, and what is left when a run breaks off."""

import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kakusan.errors import GenerationInterrupted, NumericalError, OutputError, RequestError
from kakusan.images import read_picture, read_record
from kakusan.quality import FAST
from kakusan.request import Request
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_the_path_is_the_result(run: Command, fake: FakeDrawing, here: Path) -> None:
    done = run("generate", "A cat!", "--seed", "7")
    assert (done.code, done.out, done.err) == (0, "kakusan-7-a-cat.png\n", "")
    record = read_record(here / "kakusan-7-a-cat.png")
    assert record == fake.record("A cat!", 7)


@pytest.mark.parametrize(
    ("speed", "chosen"),
    [
        ("--steps 3 --scheduler euler-a", {"num_inference_steps": 3, "scheduler": "euler-a"}),
        ("--fast", {"quality_budget": FAST}),
    ],
)
def test_every_option_reaches_the_pipeline(
    run: Command, fake: FakeDrawing, speed: str, chosen: dict[str, Any]
) -> None:
    options = (
        "-n dark --model m --guidance 2.5 --seed 4 --width 64 --height 72 --count 2 "
        f"{speed} --clip-skip 3 --emphasis Ignore --revision v2 --variant fp16 --device cpu "
        "--dtype bfloat16 --quiet -o out/"
    )
    assert run("generate", "a cat", *options.split()).code == 0
    assert fake.asked == Request(
        prompt=("a cat",),
        negative_prompt=("dark",),
        model="m",
        commit="v2",
        variant="fp16",
        guidance_scale=2.5,
        seed=4,
        width=64,
        height=72,
        num_images_per_prompt=2,
        clip_skip=2,
        prompt_syntax="webui",
        emphasis="Ignore",
        **chosen,
        device="cpu",
        dtype="bfloat16",
    )
    assert fake.progress is False


@pytest.mark.parametrize(
    ("options", "syntax"),
    [("", "webui"), ("--syntax plain", "plain"), ("--syntax COMFY", "comfy")],
)
def test_the_grammar_is_read_by_default(
    run: Command, fake: FakeDrawing, options: str, syntax: str
) -> None:
    assert run("generate", "a cat", *options.split()).code == 0
    assert fake.asked is not None
    assert fake.asked.prompt_syntax == syntax


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("a (red:1.4) cat", "'red' weighs 1.4"),
        ("a ((cat)) AND tea :0.5", "AND joins 2 texts, 'cat' weighs 1.21"),
        ("a [cat:dog:0.5] BREAK tea", "it changes from step to step, BREAK begins a new chunk"),
        ("a <lora:x:1>", "<lora:x> names a network"),
        ("a cat at 10:30", "the number at its end weighs all of it, 30 times"),
        (r"a \(cat\)", "brackets, backslashes and # are no words"),
        (r"a \{red|blue\} cat", "brackets, backslashes and # are no words"),
        ("a {red|red} cat", "the seed makes its choices"),
    ],
)
def test_what_would_mean_something_else_is_said_once(
    run: Command, fake: FakeDrawing, prompt: str, said: str
) -> None:
    done = run("generate", prompt, "-n", "(blur)")
    wanted = f"the prompt is read as AUTOMATIC1111 reads it: {said}; --syntax plain takes it"
    assert done.err == f"kakusan: {wanted} as it stands\n"
    for wanted in ("--syntax plain", "--syntax webui", "--emphasis None"):
        assert run("generate", prompt, *wanted.split()).err == ""


def test_a_negative_prompt_is_told_too(run: Command, fake: FakeDrawing) -> None:
    done = run("generate", "a cat", "-n", "(blur) AND dark")
    assert "the negative prompt is read as AUTOMATIC1111 reads it: 'blur' weighs 1.1;" in done.err
    for negative in ("dark", "dark AND blur", "dark :1.2", "<lora:x:1>"):
        assert run("generate", "a cat, 1,5 m, 100% red -- or not", "-n", negative).err == ""


def test_choices_are_made_for_each_picture_by_its_seed(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    (here / "words").mkdir()
    (here / "words" / "animals.txt").write_text("cat\ndog\nhorse\n", encoding="utf-8")
    template = "a {red|blue} __animals__"
    options = ["--wildcards", "words", "--seed", "4", "--quiet"]
    done = run("generate", template, "--count", "6", *options)
    assert (done.code, fake.asked is not None) == (0, True)
    assert fake.asked is not None
    prompts = fake.asked.prompt
    assert (fake.asked.template, fake.asked.num_images_per_prompt) == (template, 1)
    assert fake.asked.negative_template is None
    assert len(prompts) == 6
    assert len(set(prompts)) > 2
    assert all(re.fullmatch("a (red|blue) (cat|dog|horse)", str(each)) for each in prompts)
    for index, prompt in enumerate(prompts):  # alone it is the same
        seed = str(4 + index)
        assert run("generate", template, *options[:2], "--seed", seed, "--quiet").code == 0
        assert fake.asked.prompt == (prompt,)


def test_plain_syntax_makes_no_choices(run: Command, fake: FakeDrawing, here: Path) -> None:
    assert run("generate", "a {red|blue} cat", "--syntax", "plain").code == 0
    assert fake.asked is not None
    assert fake.asked.prompt == ("a {red|blue} cat",)
    assert fake.asked.template is None
    done = run("generate", "a __cat__", "--syntax", "plain", "--wildcards", ".")
    assert "--wildcards is for prompts with a grammar" in done.err
    assert "no wildcard is called 'cat'" in run("generate", "a __cat__").err


def test_clip_skip_1_leaves_nothing_out(run: Command, fake: FakeDrawing) -> None:
    assert run("generate", "a cat", "--clip-skip", "1").code == 0
    assert fake.asked is not None
    assert fake.asked.clip_skip is None
    assert "must be at least 1" in run("generate", "a cat", "--clip-skip", "0").err


def test_exact_is_the_default(run: Command, fake: FakeDrawing) -> None:
    assert run("generate", "a cat").code == 0
    assert fake.asked is not None
    assert fake.asked.quality_budget is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--fast --steps 4", "--fast chooses --steps itself"),
        ("--fast --scheduler euler-a", "--fast chooses --scheduler itself"),
        ("--steps 0", "--steps must be a whole number from 1 to 1000, not 0"),
        ("--count 0", "--count must be"),
        ("--guidance=-1", "--guidance must be a finite number"),
        ("--width 65", "--width must be a multiple of 8, not 65; the nearest are 64 and 72"),
    ],
)
def test_errors_name_options_as_they_are_typed(
    run: Command, fake: FakeDrawing, options: str, said: str
) -> None:
    done = run("generate", "a cat", *options.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"kakusan: {said}")
    assert fake.asked is None


def test_names_never_collide(run: Command, fake: FakeDrawing, here: Path) -> None:
    for _ in range(3):
        run("generate", "cat", "--seed", "1")
    assert files(here) == ["kakusan-1-cat-2.png", "kakusan-1-cat-3.png", "kakusan-1-cat.png"]


@pytest.mark.parametrize("prompt", ["", "🐱", "../../x", "\ud83d", "a\0b", "x" * 5000, "赤い猫"])
def test_any_prompt_gives_a_file_here(
    run: Command, fake: FakeDrawing, here: Path, prompt: str
) -> None:
    done = run("generate", "--seed", "1", "--", prompt)
    assert done.code == 0
    (name,) = files(here)
    assert name.startswith("kakusan-1")
    assert done.lines == [name]
    record = read_record(here / name)
    assert record is not None
    assert record["prompt"] == prompt


def test_a_prompt_may_begin_with_a_hyphen(run: Command, fake: FakeDrawing) -> None:
    assert run("generate", "--", "--steps").code == 0
    assert fake.asked is not None
    assert fake.asked.prompt == ("--steps",)


@pytest.mark.parametrize(
    ("data", "prompt"),
    [
        (b"a cat\n", "a cat"),
        (b"two\nlines\r\n", "two\nlines"),
        ("猫".encode("utf-8-sig"), "猫"),
        (b"", ""),
    ],
)
def test_a_hyphen_reads_the_prompt_from_stdin(
    run: Command, fake: FakeDrawing, monkeypatch: pytest.MonkeyPatch, data: bytes, prompt: str
) -> None:
    stdin(monkeypatch, data)
    assert run("generate", "-").code == 0
    assert fake.asked is not None
    assert fake.asked.prompt == (prompt,)


def test_stdin_that_is_not_text_is_refused(
    run: Command, fake: FakeDrawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin(monkeypatch, b"a \xff cat")
    done = run("generate", "-")
    assert (done.code, done.out) == (2, "")
    assert done.err == "kakusan: the prompt on stdin is not UTF-8 text: byte 2\n"


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "webp", "PNG"])
def test_the_suffix_says_the_format(
    run: Command, fake: FakeDrawing, here: Path, suffix: str
) -> None:
    assert run("generate", "cat", "-o", f"a.{suffix}").lines == [f"a.{suffix}"]
    assert read_picture(here / f"a.{suffix}").size == (16, 8)


def test_several_pictures_are_numbered(run: Command, fake: FakeDrawing, here: Path) -> None:
    done = run("generate", "cat", "-o", "new/a.png", "--count", "10")
    assert done.lines[0] == os.path.join("new", "a-01.png")
    assert files(here / "new") == [f"a-{i:02}.png" for i in range(1, 11)]


def test_a_folder_takes_made_up_names(run: Command, fake: FakeDrawing, here: Path) -> None:
    (here / "there").mkdir()
    run("generate", "cat", "-o", "there", "--seed", "3", "--count", "2")
    run("generate", "cat", "-o", "new/", "--seed", "3")
    assert files(here / "there") == ["kakusan-3-cat.png", "kakusan-4-cat.png"]
    assert files(here / "new") == ["kakusan-3-cat.png"]


def test_a_grid_is_one_picture(run: Command, fake: FakeDrawing, here: Path) -> None:
    done = run("generate", "cat", "--grid", "2x3", "--seed", "5")
    assert done.lines == ["kakusan-5-cat-2x3.png"]
    assert fake.asked is not None
    assert fake.asked.num_pictures == 6
    grid = read_picture(here / "kakusan-5-cat-2x3.png")
    assert grid.size == (48, 16)
    assert grid.getpixel((40, 12)) == (10, 40, 200)
    record = read_record(here / "kakusan-5-cat-2x3.png")
    assert record is not None
    assert record["pictures"] == [{"seed": seed} for seed in range(5, 11)]


def test_json_is_one_document(run: Command, fake: FakeDrawing) -> None:
    done = run("generate", "猫\ud83d", "--count", "2", "--seed", "1", "--json", "-o", "a.png")
    assert done.json() == {
        "pictures": [
            {"path": f"a-{i}.png", "flagged": False, "record": fake.record("猫\ud83d", i)}
            for i in (1, 2)
        ],
        "error": None,
    }
    assert done.err == ""


def test_a_flagged_picture_is_said(run: Command, fake: FakeDrawing) -> None:
    fake.flagged = True
    done = run("generate", "cat", "--seed", "1")
    assert done.code == 0
    assert "picture of seed 1 was flagged" in done.err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), GenerationInterrupted()])
def test_ctrl_c_keeps_what_was_finished(
    run: Command, fake: FakeDrawing, here: Path, error: BaseException
) -> None:
    fake.fails_at, fake.failure = 2, error
    done = run("generate", "cat", "--count", "4", "-o", "a.png")
    assert (done.code, done.lines) == (130, ["a-1.png", "a-2.png"])
    assert done.err == "kakusan: interrupted\n"
    assert files(here) == ["a-1.png", "a-2.png"]


def test_ctrl_c_before_the_first_picture(run: Command, fake: FakeDrawing, here: Path) -> None:
    fake.fails_at, fake.failure = 0, KeyboardInterrupt()
    done = run("generate", "cat", "-o", "new/a.png")
    assert (done.code, done.out) == (130, "")
    assert not files(here)


def test_ctrl_c_in_a_grid_saves_its_pictures(run: Command, fake: FakeDrawing, here: Path) -> None:
    fake.fails_at, fake.failure = 2, GenerationInterrupted()
    done = run("generate", "cat", "--grid", "2x2", "-o", "a.png", "--json")
    assert done.code == 130
    assert [picture["path"] for picture in done.json()["pictures"]] == ["a-1.png", "a-2.png"]
    assert done.json()["error"] == "interrupted"
    assert files(here) == ["a-1.png", "a-2.png"]


@pytest.mark.parametrize(
    "error", [NumericalError("the vae gave NaN"), OutputError("disk full"), RuntimeError("x\ny")]
)
def test_a_failure_after_some_pictures_is_partly_done(
    run: Command, fake: FakeDrawing, here: Path, error: Exception
) -> None:
    fake.fails_at, fake.failure = 1, error
    done = run("generate", "cat", "--count", "3", "-o", "a.png")
    assert (done.code, done.lines) == (3, ["a-1.png"])
    assert done.err.endswith("(1 of 3 pictures were saved)\n")
    assert len(done.err.splitlines()) == 1
    assert files(here) == ["a-1.png"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NumericalError("the vae gave NaN"), 1),
        (RuntimeError("out of\nmemory"), 1),
        (MemoryError(), 1),
        (RequestError("no such thing"), 2),
        (OutputError("disk full"), 2),
    ],
)
def test_a_failure_before_the_first_picture(
    run: Command, fake: FakeDrawing, here: Path, error: Exception, code: int
) -> None:
    fake.fails_at, fake.failure = 0, error
    done = run("generate", "cat", "--json")
    assert (done.code, done.out) == (code, "")
    assert len(done.err.splitlines()) == 1
    assert "Traceback" not in done.err
    assert not files(here)


def test_debugging_shows_the_traceback(
    run: Command, fake: FakeDrawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKUSAN_DEBUG", "1")
    fake.fails_at, fake.failure = 0, RuntimeError("deep inside")
    done = run("generate", "cat")
    assert "Traceback" in done.err
    assert "kakusan: RuntimeError: deep inside" in done.err


def test_a_disk_that_fills_up_leaves_no_empty_file(
    run: Command, fake: FakeDrawing, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_paths: object, _data: bytes) -> None:
        raise OutputError("cannot write: No space left on device")

    monkeypatch.setattr("kakusan.images.metadata.write_new", full)
    done = run("generate", "cat", "--seed", "1")
    assert done.code == 2
    assert "No space left" in done.err
    assert not files(here)


def test_a_grid_too_large_for_its_format_is_said_at_once(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    fake.size = (8192, 8)
    done = run("generate", "cat", "--grid", "1x3", "-o", "a.webp")
    assert done.code == 2
    assert "'a.webp' cannot hold 24576x8 pixels" in done.err
    assert not files(here)
