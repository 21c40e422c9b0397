"""`kakusan generate --hires` with the built-in model, and what is typed wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import kakusan
from kakusan.cli import hires_options
from kakusan.errors import RequestError


def test_it_is_drawn_recorded_and_made_again(tmp_path: Path, run: Any) -> None:
    where = tmp_path / "cat.png"
    line = ["a red cat", "--seed", "3", "--steps", "2", "--width", "64", "--height", "64"]
    line += ["--hires", "96x0", "--hires-upscaler", "lanczos", "--hires-strength", "0.5"]
    assert run("generate", *line, "-o", str(where)).code == 0
    image = Image.open(where)
    assert image.size == (96, 96)
    record = json.loads(run("info", str(where), "--json").out)
    assert json.dumps(record).count("Lanczos") >= 1
    assert "Hires resize: 96x0" in image.text["parameters"]  # pyright: ignore[reportAttributeAccessIssue]
    again = run("reproduce", str(where), "-o", str(tmp_path / "again.png"))
    assert "identical" in again.err
    second = {"width": 96, "upscaler": "Lanczos", "strength": 0.5}
    (same,) = kakusan.generate(
        "a red cat", seed=3, steps=2, width=64, height=64, second_pass=second, progress=False
    )
    assert same.image.tobytes() == image.convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("2", {"scale": 2.0}),
        ("1.5x", {"scale": 1.5}),
        ("1024x768", {"width": 1024, "height": 768}),
        ("1024 × 0", {"width": 1024}),
    ],
)
def test_sizes_are_read(typed: str, found: dict[str, float]) -> None:
    assert hires_options.read(typed, None, None, None) == found


@pytest.mark.parametrize("typed", ["", "big", "1024x", "0x0"])
def test_what_is_no_size(typed: str) -> None:
    if typed == "1024x":  # a scale, and far too large
        assert hires_options.read(typed, None, None, None) == {"scale": 1024.0}
        return
    with pytest.raises(RequestError, match="--hires must be how many times larger"):
        hires_options.read(typed, None, None, None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--hires", "0"], "the scale of --hires must be above 1, not 0"),
        (["--hires", "nan"], "finite number"),
        (["--hires", "64x64"], "not larger than the first pass of 128x128"),
        (["--hires", "40000x40000"], "from 8 to 4096, not 40000"),
        (["--hires", "2", "--hires-strength", "0"], "the strength of --hires must be above 0"),
        (["--hires", "2", "--hires-upscaler", "Latnet"], "Did you mean 'Latent'"),
        (["--hires", "2", "--hires-upscaler", "4x-UltraSharp"], "is a model of its own"),
        (["--hires-steps", "5"], "give --hires 2"),
        (["--hr-scale", "2"], "it is --hires here"),
    ],
)
def test_bad_input_is_one_line(options: list[str], said: str, run: Any) -> None:
    found = run("generate", "a cat", *options)
    assert found.code == 2
    assert said in found.err.splitlines()[-1]
