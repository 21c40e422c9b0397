"""Bad input: one clear line, exit code 2, no file left behind, nothing drawn."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.fakes import FakeDrawing, Run

BAD = {
    "no prompt": ("generate", "PROMPT is missing, as in kakusan generate"),
    "an option's typo": ("generate cat --sede 3", "--seed"),
    "no such command": ("generat cat", "there is no command generat; did you mean generate?"),
    "width 60": ("generate cat --width 60", "multiple of 8, not 60; the nearest are 56 and 64"),
    "width 0": ("generate cat --width 0", "from 8 to 4096, not 0"),
    "height -8": ("generate cat --height -8", "from 8 to 4096, not -8"),
    "huge height": ("generate cat --height 1000000000", "from 8 to 4096"),
    "steps 0": ("generate cat --steps 0", "from 1 to 1000, not 0"),
    "steps -1": ("generate cat --steps -1", "from 1 to 1000, not -1"),
    "steps 10**9": ("generate cat --steps 1000000000", "from 1 to 1000"),
    "steps x": ("generate cat --steps x", "--steps must be a whole number, not 'x'"),
    "guidance nan": ("generate cat --guidance nan", "from 0 to 1000, not nan"),
    "guidance inf": ("generate cat --guidance inf", "from 0 to 1000, not inf"),
    "seed x": ("generate cat --seed x", "--seed must be a whole number, not 'x'"),
    "seed 1.5": ("generate cat --seed 1.5", "--seed must be a whole number, not '1.5'"),
    "seed -1": ("generate cat --seed -1", "from 0 to 18446744073709551615"),
    "seed 2**64": ("generate cat --seed 18446744073709551616", "not 18446744073709551616"),
    "count 0": ("generate cat --count 0", "from 1 to 1000, not 0"),
    "grid 2": ("generate cat --grid 2", "ROWSxCOLUMNS, such as 2x3, not '2'"),
    "grid 0x3": ("generate cat --grid 0x3", "ROWSxCOLUMNS"),
    "grid 99x99": (
        "generate cat --grid 99x99",
        "--grid 99x99 holds 9801 pictures; the limit is 1000",
    ),
    "grid and count": ("generate cat --grid 2x3 --count 5", "holds 6 pictures, but --count is 5"),
    "a gif": ("generate cat -o a.gif", "ends in .png, .jpg or .webp"),
    "no suffix": ("generate cat -o nowhere", "end a file's name in .png, .jpg or .webp"),
    "below a file": ("generate cat -o picture.png/a.png", "cannot write to 'picture.png'"),
    "below a file/": ("generate cat -o picture.png/a/", "cannot write to"),
    "a long name": (f"generate cat -o {'x' * 300}.png", "File name too long"),
    "info of nothing": ("info none.png", "there is no file 'none.png'"),
    "info of a folder": ("info .", "is a folder"),
    "info of text": ("info text.png", "is not a PNG, JPEG or WebP picture"),
    "info without a record": ("info picture.png", "has no record of how it was made"),
    "reproduce without a record": ("reproduce picture.png", "has no record"),
    "show an unknown model": ("models show nowhere", "there is no model 'nowhere'"),
    "show an uncached model": ("models show owner/name", "owner/name"),
    "pull while offline": ("models pull owner/name", "owner/name"),
    "remove the built-in model": (
        "models rm builtin --yes",
        "builtin is part of kakusan and stays",
    ),
    "remove the built-in model unasked": ("models rm builtin", "is part of kakusan and stays"),
    "remove unasked": ("models rm owner/name", "Add --yes to do so"),
    "remove an unknown model": ("models rm owner/name -y", "the cache has no model 'owner/name'"),
    "overwrite what has no name": ("generate cat --overwrite", "replaces a FILE that -o names"),
    "overwrite in a folder": ("generate cat -o . --overwrite", "replaces a FILE that -o names"),
    "lora nan": ("generate cat --lora x.safetensors:nan", "--lora must be a finite number"),
    "clip skip 99": ("generate cat --clip-skip 99", "--clip-skip must be at most 65, not 99"),
    "no folder of wildcards": ("generate cat --wildcards x", "--wildcards: there is no folder 'x'"),
    "no folder of adapters": ("generate cat --lora-dir x", "--lora-dir: there is no folder 'x'"),
    "no wildcards": ("generate __a__", "name their folder with --wildcards"),
    "no syntax": ("generate cat --syntax ''", "--syntax must be one of"),
    "a negative twice": ("generate cat -n dog -n bird", "--negative is given twice"),
    "an axis twice": ("grid cat --x steps=1,2 --x seed=1,2", "--x is given twice"),
    "empty output": ("generate cat -o ''", "empty name"),
}


@pytest.mark.parametrize(("line", "said"), BAD.values(), ids=BAD.keys())
def test_bad_usage(
    run: Callable[..., Run], fake: FakeDrawing, here: Path, line: str, said: str
) -> None:
    Image.new("RGB", (8, 8)).save(here / "picture.png")
    (here / "text.png").write_text("hello")
    before = sorted(here.rglob("*"))
    done = run(*(word.replace("''", "") for word in line.split()))
    assert done.code == 2
    assert done.out == ""
    assert said in done.err
    assert done.err.startswith("kakusan: ")
    assert len(done.err.splitlines()) == 1
    assert sorted(here.rglob("*")) == before
    assert not fake.asked


REAL = {
    "scheduler": ("generate cat --scheduler eulr", "Did you mean 'Euler'"),
    "device": ("generate cat --device tpu", "device 'tpu' is not on this machine"),
    "dtype": ("generate cat --dtype float8", "'float8' is unknown; choose one of: float32"),
    "model": (
        "generate cat --model builtn",
        "a model is 'builtin', an existing folder, or",
    ),
    "Hub id while offline": ("generate cat --model owner/name", "kakusan models pull owner/name"),
    "empty folder": ("generate cat --model ../here", "has no model_index.json"),
}


@pytest.mark.parametrize(("line", "said"), REAL.values(), ids=REAL.keys())
def test_bad_usage_that_the_pipeline_finds(
    run: Callable[..., Run], here: Path, line: str, said: str
) -> None:
    done = run(*line.split())
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1
    assert not list(here.iterdir())
