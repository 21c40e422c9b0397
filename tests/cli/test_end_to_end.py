"""The command line with a real, tiny model: pictures, and the same pictures again."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import kakusan
from kakusan.images import read_picture, read_record
from tests.cli.fakes import Run

Command = Callable[..., Run]
SIZE = ["--width", "64", "--height", "32"]
OPTIONS = [*SIZE, "--steps", "2", "--seed", "7", "--quiet", "--device", "cpu"]


def pixels(path: Path) -> bytes:
    return read_picture(path).tobytes()


@pytest.mark.parametrize("scheduler", ["pndm", "euler-a", "dpmpp-2m-sde-karras"])
def test_a_picture_and_the_same_again(
    run: Command, here: Path, tiny_v1: Path, scheduler: str
) -> None:
    model = ["--model", str(tiny_v1), "--scheduler", scheduler]
    done = run("generate", "a cat", *OPTIONS, *model, "-n", "dark", "-o", "cat.png")
    assert (done.code, done.lines, done.err) == (0, ["cat.png"], "")
    assert read_picture(here / "cat.png").size == (64, 32)
    done = run("reproduce", "cat.png", "-q", "--yes")
    assert (done.code, done.lines) == (0, ["cat-reproduced.png"])
    assert done.err == "kakusan: the pixels are identical to the given picture's\n"
    assert read_record(here / "cat.png") == read_record(here / "cat-reproduced.png")


def test_a_picture_of_a_batch_is_made_again_alone(run: Command, here: Path, tiny_v1: Path) -> None:
    many = ["--model", str(tiny_v1), "--count", "2", "-o", "a.png"]
    assert run("generate", "a cat", *OPTIONS, *many).lines == ["a-1.png", "a-2.png"]
    assert pixels(here / "a-1.png") != pixels(here / "a-2.png")
    assert run("reproduce", "a-2.png", "-q", "--model", str(tiny_v1)).code == 0


def test_a_grid_and_the_same_again(run: Command, here: Path, tiny_v1: Path) -> None:
    run("generate", "a cat", *OPTIONS, "--model", str(tiny_v1), "--grid", "1x2", "-o", "a.png")
    assert read_picture(here / "a.png").size == (128, 32)
    done = run("reproduce", "a.png", "-q", "--json", "-y")
    assert done.json()["identical"] is True


def test_sdxl_and_the_same_again(
    run: Command, here: Path, tiny_xl: Path, tiny_refiner: Path
) -> None:
    model = ["--model", str(tiny_xl)]
    for name, negative in (("a.png", []), ("b.png", ["-n", ""]), ("c.png", ["-n", "blur"])):
        done = run("generate", "a cat", *OPTIONS, *model, *negative, "-o", name)
        assert (done.code, done.err) == (0, "")
        assert run("reproduce", name, "-q", "--yes").code == 0
    assert pixels(here / "a.png") == pixels(here / "b.png") != pixels(here / "c.png")
    assert "guidance_scale: 5.0" in run("info", "a.png").out
    run("generate", "a cat", *OPTIONS, *model, "--grid", "1x2", "-o", "d.png")
    assert run("reproduce", "d.png", "-q", "--yes").code == 0
    assert run("grid", "a", "--x", "steps=1,2", *model, "-q", "-o", "e.png").code == 0
    done = run("generate", "a cat", *model, "--fast", "-o", "f.png")
    assert (done.code, done.lines) == (2, [])
    assert "what --fast would cost was not measured for SDXL" in done.err
    done = run("generate", "a cat", "--model", str(tiny_refiner), "-o", "f.png")
    assert done.code == 2
    assert "SDXL's refiner, which goes on from another model's latents" in done.err
    for each in (tiny_xl, tiny_refiner):
        assert "room for 75" in run("tokens", "a cat", "--model", str(each)).out
        assert "text_encoder_2: CLIPTextModelWithProjection" in run("models", "show", str(each)).out


@pytest.mark.filterwarnings("default")
def test_a_prompt_that_is_cut_is_one_line_of_notice(
    run: Command, here: Path, tiny_v1: Path
) -> None:
    plain = ("--syntax", "plain", "--model", str(tiny_v1), "-o", "a.png")
    done = run("generate", "a cat " * 100, *OPTIONS, *plain)
    assert done.code == 0
    assert len(done.err.splitlines()) == 1
    assert done.err.startswith("kakusan: ")
    assert (here / "a.png").is_file()


def test_ctrl_c_keeps_the_finished_pictures(here: Path, tiny_v1: Path) -> None:
    many = ["--model", str(tiny_v1), "--count", "500", "-o", "a.png"]
    process = subprocess.Popen(
        [sys.executable, "-m", "kakusan", "generate", "a cat", *OPTIONS, *many],
        env=os.environ | {"PYTHONPATH": str(Path(kakusan.__file__).parents[1])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout is not None
    first = process.stdout.readline().strip()
    process.send_signal(signal.SIGINT)
    rest, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, "kakusan: interrupted\n")
    paths = [first, *rest.splitlines()]
    assert 0 < len(paths) < 500
    assert sorted(path.name for path in here.iterdir()) == sorted(paths)
    assert {read_picture(here / path).size for path in paths} == {(64, 32)}
