"""`kakusan inpaint` and `outpaint`: a part of a picture anew, and the same again from the files."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kakusan.images import read_picture, read_record
from tests.cli.fakes import Run

Command = Callable[..., Run]
OPTIONS = ["--steps", "4", "--seed", "7", "--quiet", "--device", "cpu"]
LEVELS = np.zeros((40, 64), np.uint8)
LEVELS[12:24, 24:40] = 255


@pytest.fixture
def original(here: Path) -> Path:
    array = np.random.default_rng(0).integers(0, 256, (40, 64, 3), np.uint8)
    image = Image.fromarray(array)
    image.save(here / "original.png")
    image.putalpha(Image.fromarray(255 - LEVELS))
    image.save(here / "holed.png")
    Image.fromarray(LEVELS).save(here / "mask.png")
    Image.fromarray(255 - LEVELS).save(here / "opposite.png")
    Image.fromarray(LEVELS[:, :60]).save(here / "small.png")
    return here / "original.png"


def changed(here: Path, name: str) -> np.ndarray:
    found, old = (np.asarray(read_picture(here / each)) for each in (name, "original.png"))
    return (found != old).any(-1)


def test_masks_of_all_kinds(run: Command, here: Path, original: Path, tiny_v1: Path) -> None:
    ways = {
        "a.png": ["--mask", "mask.png"],
        "b.png": ["--mask", "box:24,12,16,12"],
        "c.png": ["--mask", "opposite.png", "--invert-mask"],
    }
    for name, words in ways.items():
        model = ["--model", str(tiny_v1), "-o", name]
        done = run("inpaint", original.name, "a cat", *OPTIONS, *model, *words)
        assert (done.code, done.lines, done.err) == (0, [name], "")
        assert changed(here, name)[14:22, 26:38].all()
        assert not changed(here, name)[:2].any()
        assert np.array_equal(*(np.asarray(read_picture(here / each)) for each in ("a.png", name)))
    record = read_record(here / "a.png")
    assert record is not None
    assert record["mask"]["name"] == "mask.png"  # pyright: ignore
    assert (record["mask_blur"], record["outside"]) == (4.0, "exact")
    for name, given in (("a.png", ["mask.png"]), ("b.png", []), ("c.png", ["mask.png"])):
        words = [word for each in ("original.png", *given) for word in ("--input", each)]
        done = run("reproduce", name, "-q", "--yes", *words)
        assert done.code == 0, done.err
        assert "identical" in done.err
    done = run("reproduce", "a.png", "-q", "--yes", "--input", "original.png")
    assert done.code == 2
    assert "made with the mask 'mask.png' (64x40, SHA-256 " in done.err
    with Image.open(here / "a.png") as file:
        assert ", Mask blur: 4, " in file.info["parameters"]


def test_what_a_picture_leaves_transparent(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    del original
    words = ["--mask", "alpha", "--model", str(tiny_v1), "-o", "out/a.png", "--keep-inputs"]
    done = run("inpaint", "holed.png", "a cat", *OPTIONS, *words)
    assert done.code == 0, done.err
    record = read_record(here / "out" / "a.png")
    assert record is not None
    assert record["masked_content"] == "fill"
    assert len(list((here / "out").glob("input-*.png"))) == 2
    done = run("reproduce", "out/a.png", "-q", "--yes")
    assert "identical" in done.err
    done = run("reproduce", "out/a.png", "-q", "--yes", "--input", "holed.png")
    assert "identical" in done.err


def test_only_the_part_around_the_mask(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    words = ["--mask", "mask.png", "--only-masked", "4", "--masked-content", "noise"]
    model = ["--model", str(tiny_v1), "-o", "a.png", "--mask-blur", "0", "--strength", "0.9"]
    assert run("inpaint", original.name, "a cat", *OPTIONS, *model, *words).code == 0
    assert np.array_equal(changed(here, "a.png"), LEVELS > 0)
    with Image.open(here / "a.png") as file:
        text = file.info["parameters"]
    for said in (
        *("Denoising strength: 0.9", "Inpaint area: Only masked", "Masked area padding: 4"),
        "Masked content: latent noise",
    ):
        assert said in text


def test_sides_that_are_added(run: Command, here: Path, original: Path, tiny_v1: Path) -> None:
    words = ["--left", "16", "--down", "8", "--feather", "4", "--model", str(tiny_v1)]
    done = run("outpaint", original.name, "a cat", *OPTIONS, *words, "-o", "a.png")
    assert done.code == 0, done.err
    found = np.asarray(read_picture(here / "a.png"))
    assert found.shape == (48, 80, 3)
    assert np.array_equal(found[:36, 20:], np.asarray(read_picture(original))[:36, 4:])
    done = run("reproduce", "a.png", "-q", "--yes", "--input", "original.png")
    assert "identical" in done.err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["inpaint", "original.png", "a"], "--mask is missing; it says what is drawn anew: the"),
        (["inpaint", "original.png", "a", "--mask", "no.png"], "there is no file 'no.png'"),
        (
            ["inpaint", "original.png", "a", "--mask", "small.png"],
            "--mask has 60x40 pixels, and PICTURE 64x40",
        ),
        (["inpaint", "original.png", "a", "--mask", "box:1"], "a shape is box:x,y,w,h or"),
        (["inpaint", "original.png", "a", "--mask", "alpha"], "nothing of 'original.png' is trans"),
        (
            ["inpaint", "original.png", "a", "--mask", "mask.png", "--masked-content", "x"],
            "--masked-content must be one of original, fill, noise, nothing, not 'x'",
        ),
        (
            ["inpaint", "original.png", "a", "--mask", "mask.png", "--mask-blur", "-1"],
            "--mask-blur must be a finite number from 0 to 256, not -1",
        ),
        (["outpaint", "original.png", "a"], "nothing is added; say with --left, --right, --up or"),
        (["outpaint", "original.png", "a", "--left", "-8"], "--left must be a whole number from 0"),
        (["generate", "a", "--mask", "mask.png"], "kakusan inpaint PICTURE PROMPT"),
    ],
)
def test_what_is_typed_wrong(run: Command, original: Path, words: list[str], says: str) -> None:
    del original
    done = run(*words, "-q")
    assert (done.code, done.lines) == (2, [])
    assert says in done.err
    assert done.err.count("\n") == 1
