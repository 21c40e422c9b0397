"""`kakusan img2img`: a picture to pictures, and the same again from both files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kakusan.images import read_picture, read_record
from tests.cli.fakes import Run

Command = Callable[..., Run]
OPTIONS = ["--steps", "4", "--seed", "7", "--quiet", "--device", "cpu"]


@pytest.fixture
def original(here: Path) -> Path:
    array = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    Image.fromarray(array).save(here / "original.png")
    Image.fromarray(array[::-1]).save(here / "other.png")
    return here / "original.png"


def test_a_picture_and_the_same_again(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    model = ["--model", str(tiny_v1)]
    done = run(
        "img2img", original.name, "a cat", *OPTIONS, *model, "--strength", "0.6", "-o", "a.png"
    )
    assert (done.code, done.lines, done.err) == (0, ["a.png"], "")
    record = read_record(here / "a.png")
    assert record is not None
    assert (record["strength"], record["width"], record["height"]) == (0.6, 64, 40)
    assert record["image"]["name"] == "original.png"  # pyright: ignore
    with Image.open(here / "a.png") as file:
        assert "Seed: 7, Size: 64x40, " in file.info["parameters"]
        assert ", Denoising strength: 0.6, " in file.info["parameters"]
    done = run("info", "a.png")
    assert '"name": "original.png"' in done.out
    assert "strength: 0.6" in done.lines
    done = run("reproduce", "a.png", "-q", "--yes", "--input", "original.png")
    assert (done.code, done.lines) == (0, ["a-reproduced.png"])
    assert "identical" in done.err
    assert read_record(here / "a-reproduced.png") == record


def test_what_it_began_at_is_missing_or_another(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    run("img2img", original.name, "a", *OPTIONS, "--model", str(tiny_v1), "-o", "a.png")
    done = run("reproduce", "a.png", "--yes")
    assert (done.code, done.lines) == (2, [])
    assert "'a.png' was made from the picture 'original.png', 64x40; name its file with" in done.err
    done = run("reproduce", "a.png", "--yes", "--input", "other.png")
    assert done.code == 2
    assert "made from 'original.png' (64x40, SHA-256 " in done.err
    assert "and it is not 'other.png' (64x40, SHA-256 " in done.err
    assert done.err.endswith("give that one as --input\n")
    done = run("reproduce", "a.png", "--yes", "--input", "nowhere.png")
    assert (done.code, "there is no file" in done.err) == (2, True)
    run("generate", "a", *OPTIONS, "--width", "64", "--height", "32", "-o", "b.png")
    done = run("reproduce", "b.png", "--input", "other.png")
    assert "made from no other picture; leave --input out" in done.err
    assert not (here / "a-reproduced.png").exists()


def test_inputs_that_were_kept_are_found(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    model = ["--model", str(tiny_v1), "-o", "out/", "--keep-inputs", "--count", "2"]
    done = run("img2img", original.name, "a cat", *OPTIONS, *model)
    assert done.code == 0
    kept = list((here / "out").glob("input-*.png"))
    assert len(kept) == 1
    assert read_picture(kept[0]).tobytes() == read_picture(original).tobytes()
    original.unlink()
    for name in done.lines:
        assert run("reproduce", name, "-q", "--yes").code == 0


def test_like_takes_the_settings_for_another_picture(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    model = ["--model", str(tiny_v1)]
    run("img2img", original.name, "a", *OPTIONS, *model, "--strength", "0.5", "-o", "a.png")
    like = ["--like", "a.png", *model, "-q", "--device", "cpu", "-o", "b.png"]
    assert run("img2img", "other.png", *like).code == 0
    first, second = read_record(here / "a.png"), read_record(here / "b.png")
    assert first is not None
    assert second is not None
    assert (second["seed"], second["strength"]) == (7, 0.5)
    assert first["image"] != second["image"]
    done = run("generate", *like)
    assert done.code == 2
    assert "began at the picture 'original.png', which is not kept" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["text.png", "a"], "'text.png' is not a PNG, JPEG, WebP or BMP picture"),
        (["nowhere.png", "a"], "there is no file 'nowhere.png'"),
        ([".", "a"], "'.' is a folder"),
        (
            ["original.png", "a", "--strength", "2"],
            "--strength must be a number from 0 to 1, not 2",
        ),
        (["original.png", "a", "--strength", "nan"], "--strength must be a number from 0 to 1"),
        (["original.png", "a", "--resize-mode", "x"], "--resize-mode must be one of stretch, crop"),
        (["original.png", "a", "--strength", "0.001"], "strength of 0.001 leaves no step of"),
        (["one.png", "a"], "PICTURE is 'one.png' of 1x1 pixels, and pictures are drawn from 8"),
        (["wide.png", "a"], "PICTURE is 'wide.png' of 40000x20 pixels, and pictures are drawn"),
    ],
)
def test_what_is_typed_wrong(
    run: Command, here: Path, original: Path, words: list[str], says: str
) -> None:
    del original
    (here / "text.png").write_text("hello")
    Image.new("RGB", (1, 1)).save(here / "one.png")
    Image.new("RGB", (40_000, 20)).save(here / "wide.png")
    done = run("img2img", *words, "-q")
    assert (done.code, done.lines) == (2, [])
    assert says in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("size", "drawn", "says"),
    [
        ((64, 48), (64, 48), ""),
        ((70, 50), (64, 48), "'a.png' of 70x50 is drawn at 64x48"),
        ((640, 480), (72, 48), "about as large as the model was made for"),
    ],
)
def test_the_size_is_the_pictures_own(
    run: Command,
    here: Path,
    tiny_v1: Path,
    size: tuple[int, int],
    drawn: tuple[int, int],
    says: str,
) -> None:
    Image.new("RGB", size, "blue").save(here / "a.png")
    done = run("img2img", "a.png", "a cat", *OPTIONS, "--model", str(tiny_v1), "-o", "b.png")
    assert done.code == 0
    assert read_picture(here / "b.png").size == drawn
    assert says in done.err


def test_another_tools_picture_over_another(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    line = "Steps: 20, Sampler: Euler, CFG scale: 3, Seed: 5, Size: 64x40"
    info.add_text("parameters", f"a cat\n{line}, Denoising strength: 0.75")
    Image.open(original).save(here / "a1.png", pnginfo=info)
    model = ["--model", str(tiny_v1), "-q"]
    done = run("reproduce", "a1.png", *model)
    assert (done.code, "give that one with --input" in done.err) == (2, True)
    done = run("reproduce", "a1.png", *model, "--input", original.name, "-o", "b.png")
    assert done.code == 0
    assert "16 of 20 steps" in done.err
    record = read_record(here / "b.png")
    assert record is not None
    assert (record["strength"], record["num_inference_steps"]) == (0.8, 20)


def test_another_picture_is_refused_where_the_kept_one_lies_beside(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    model = ["--model", str(tiny_v1)]
    run("img2img", original.name, "a", *OPTIONS, *model, "--keep-inputs", "-o", "a.png")
    done = run("reproduce", "a.png", "--yes", "--input", "other.png")
    assert (done.code, done.lines) == (2, [])
    assert "--input has 'other.png' (64x40, SHA-256 " in done.err
    assert "and the picture was made from 'original.png' (64x40, SHA-256 " in done.err
    assert not (here / "a-reproduced.png").exists()
    done = run("reproduce", "a.png", "-q", "--yes", "--input", original.name)
    assert (done.code, done.lines) == (0, ["a-reproduced.png"])
