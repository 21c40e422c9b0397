"""`kakusan grid`."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from kakusan.images import read_record
from kakusan.prompts import resolve
from tests.cli.fakes import Run

Command = Callable[..., Run]


def test_a_grid_is_one_picture(run: Command, here: Path) -> None:
    done = run("grid", "a cat", "--x", "steps=1,2", "--y", "seed=3,4", "-o", "grid.png")
    assert (done.code, done.lines) == (0, ["grid.png"])
    with Image.open(here / "grid.png") as file:
        assert file.width > 2 * 96
        assert file.height > 2 * 96
    done = run("grid", "a cat", "--x", "guidance=1,2", "--steps", "1")
    assert done.lines == ["kakusan-grid.png"]
    record = read_record(here / "grid.png")
    assert record is not None
    assert [each["seed"] for each in record["pictures"]] == [3, 3, 4, 4]
    assert record["sheet"] == ["steps", "seed"]


def test_a_grid_has_no_one_request(run: Command, here: Path) -> None:
    assert run("grid", "a cat", "--x", "steps=1,2", "-o", "grid.png").code == 0
    done = run("reproduce", "grid.png", "-o", "again.png")
    assert (done.code, done.lines) == (2, [])
    assert "'grid.png' is a sheet of pictures with words beside them" in done.err
    assert len(done.err.splitlines()) == 1
    assert not (here / "again.png").exists()
    assert 'sheet: ["steps"]' in run("info", "grid.png").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--x", "stps=1"], "x cannot vary 'stps'. Did you mean 'steps'"),
        (["--x", "steps=1,x"], "--x: steps takes numbers"),
        (["--x", "steps"], "--x must be NAME=VALUE,VALUE,..., not 'steps'"),
        (["--x", "steps=1", "--steps", "2"], "steps is given and varied"),
        (["--x", "steps=0"], "--x steps must be a whole number from 1 to 1000, not 0"),
        (["--x", "steps=1", "-o", "grid.txt"], "ends in .png, .jpg or .webp"),
        (["--x", "model=builtin,nowhere"], "there is no model 'nowhere'"),
    ],
)
def test_a_grid_that_cannot_be_is_one_line(
    run: Command, here: Path, words: list[str], said: str
) -> None:
    done = run("grid", "a cat", *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not list(here.iterdir())


def test_a_grid_says_what_is_not_understood_in_one_line(run: Command) -> None:
    done = run("grid", "a cat", "--x", "prompt=a zork,a blib,a zork", "--steps", "1")
    assert (done.code, len(done.lines)) == (0, 1)
    assert done.err.splitlines() == [
        'kakusan: the built-in model has never seen "blib", "zork"; it draws what it knows (its '
        "card: kakusan models show builtin)"
    ]


def test_a_grids_prompts_are_read_as_generate_reads_them(run: Command, here: Path) -> None:
    grid = ("grid", "a (red:1.4) cat", "--x", "seed=7", "--steps", "1", "-o", "grid.png")
    done = run(*grid)
    assert done.code == 0
    assert "read as AUTOMATIC1111 reads it: 'red' weighs 1.4; --syntax plain" in done.err
    assert "plain words" not in done.err
    record = read_record(here / "grid.png")
    assert record is not None
    assert record["prompt_syntax"] == "webui"
    assert '"(red:1.4)": read as plain words' in run(*grid, "--syntax", "plain").err
    assert run(*grid, "--syntax", "comfy", "--overwrite").err == ""
    done = run("grid", "a <lora:x:1>", "--x", "seed=7", "--lora-dir", ".")
    assert (done.code, "there is no adapter 'x' in '.'" in done.err) == (2, True)


def test_a_grids_seeds_make_its_choices(run: Command, here: Path) -> None:
    (here / "words").mkdir()
    (here / "words" / "animals.txt").write_text("cat\nhare\nfox\n", "utf-8")
    written = "a {red|blue|green} __animals__ ${x}"
    options = ("--steps", "1", "--wildcards", "words")
    done = run("grid", written, "--x", "seed=7,8,9", *options, "-o", "grid.png")
    assert done.code == 0
    assert "the seed makes its choices" in done.err
    assert done.err.count("chooses nothing by the seed") == 1
    record = read_record(here / "grid.png")
    assert record is not None
    cells = [each["prompt"] for each in record["pictures"]]
    assert record["template"] == written
    assert cells == [resolve(written, seed, ["words"]) for seed in (7, 8, 9)]
    refused = run("grid", "a cat", "--x", "seed=7", "--wildcards", "nowhere")
    assert (refused.code, "--wildcards: there is no folder" in refused.err) == (2, True)
