"""`kakusan upscale` with the built-in model: a picture of any size larger, and made again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kakusan.images import read_record
from tests.cli.fakes import Run

Command = Callable[..., Run]


@pytest.fixture
def picture(here: Path) -> Path:
    x, y = np.meshgrid(np.arange(75), np.arange(50))
    array = np.stack([80 + x, 60 + 2 * y, 180 - x], axis=-1).astype(np.uint8)
    Image.fromarray(array).save(here / "small.png")
    return here / "small.png"


def test_larger_without_a_seam_and_made_again(run: Command, here: Path, picture: Path) -> None:
    options = ["--scale", "3", "--tile", "64", "--overlap", "16", "--strength", "0.1"]
    done = run(
        "upscale", picture.name, *options, "--steps", "10", "--seed", "5", "-q", "-o", "a.png"
    )
    assert (done.code, done.lines, done.err) == (0, ["a.png"], "")
    with Image.open(here / "a.png") as file:
        found = np.asarray(file.convert("RGB"), float)
        assert file.size == (225, 150)
        assert "SD upscale overlap: 16" in file.info["parameters"]
    with Image.open(picture) as small:
        large = np.asarray(small.resize((225, 150), Image.Resampling.LANCZOS), float)
    assert np.abs(found - large).mean() < 12  # it is that picture, through the VAE
    # where tiles begin and end, neighbours differ no more than elsewhere
    steps = np.abs(np.diff(found, axis=1)).mean(axis=(0, 2))
    begins = [0, 53, 107, 161]  # (225 - 64) / 3 apart
    borders = [at + by for at in begins[1:] for by in (-1, 0, 15, 16)]
    borders += [at + 63 for at in begins[:-1]]
    elsewhere = np.delete(steps, borders)
    assert steps[borders].mean() < 1.5 * elsewhere.mean()
    assert steps[borders].max() < 2 * elsewhere.max()
    record = read_record(here / "a.png")
    assert record is not None
    assert record["upscale"] == {"scale": 3.0, "overlap": 16}
    done = run("reproduce", "a.png", "-q", "--input", "small.png")
    assert done.code == 0
    assert "identical" in done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--scale", "0"], "the scale of upscale must be 1 or more, not 0"),
        (["--tile", "100"], "--tile must be a multiple of 8 from 8 to 4096, not 100"),
        (["--overlap", "200"], "take less than a tile"),
        (["--strength", "2"], "--strength must be a number from 0 to 1"),
        (["--count", "2"], "there is no option --count"),
    ],
)
def test_bad_input_is_one_line(run: Command, picture: Path, options: list[str], said: str) -> None:
    done = run("upscale", picture.name, *options, "-q")
    assert done.code == 2
    assert said in done.err.splitlines()[-1]
