"""`--control`: a net and its picture, kept, made again and refused."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from kakusan.images import read_picture, read_record
from kakusan.images.preprocessing import preprocessed
from tests.cli.fakes import Run
from tests.models.test_controlnet import V1, XL, written

Command = Callable[..., Run]
OPTIONS = ["--steps", "2", "--seed", "7", "--quiet", "--device", "cpu"]


@pytest.fixture
def original(here: Path) -> Path:
    levels = np.random.default_rng(0).integers(0, 256, (5, 8, 3), np.uint8)
    Image.fromarray(levels).resize((64, 40), 0).save(here / "a@b.png")
    return here / "a@b.png"


@pytest.fixture
def net(here: Path) -> str:
    return written(here / "net", **V1).name


def test_a_picture_and_the_same_again(
    run: Command, here: Path, original: Path, net: str, tiny_v1: Path
) -> None:
    words = ["a cat", *OPTIONS, "--model", str(tiny_v1)]
    control = ["--control", f"canny=50,90:{original.name}@{net}:0.8:0-0.9", "--control-mode"]
    done = run("generate", *words, *control, "prompt", "--keep-inputs", "-o", "a.png")
    assert (done.code, done.lines) == (0, ["a.png"]), done.err
    plain = run("generate", *words, "--width", "64", "--height", "40", "-o", "b.png")
    assert plain.code == 0
    assert read_picture(here / "a.png").tobytes() != read_picture(here / "b.png").tobytes()

    record = read_record(here / "a.png")
    assert record is not None
    assert (record["width"], record["height"]) == (64, 40)
    (told,) = record["controls"]  # pyright: ignore
    assert told["image"]["name"] == "a@b.png"
    assert len(told.pop("sha256")) == 64
    del told["image"]
    assert told == {
        "model": net,
        "kind": "canny=50,90",
        "scale": 0.8,
        "start": 0.0,
        "end": 0.9,
        "mode": "prompt",
        "resize_mode": "crop",
    }
    (hint,) = here.glob("control-*.png")
    edges = preprocessed(read_picture(original), "canny", (50.0, 90.0))
    assert read_picture(hint).tobytes() == edges.tobytes()
    assert len([*here.glob("input-*.png")]) == 1

    original.unlink()  # the one that was kept is found
    done = run("reproduce", "a.png", "-q", "--yes", "--control-model", net)
    assert (done.code, done.lines) == (0, ["a-reproduced.png"]), done.err
    assert "identical" in done.err
    assert read_record(here / "a-reproduced.png") == read_record(here / "a.png")


def test_a_strangers_net_is_not_loaded(
    run: Command, here: Path, original: Path, net: str, tiny_v1: Path
) -> None:
    model = ["--model", str(tiny_v1)]
    control = ["--control", f"none:{original.name}@{net}"]
    assert run("generate", "a", *OPTIONS, *model, *control, "-o", "a.png").code == 0
    done = run("reproduce", "a.png", *model, "--input", original.name)
    assert done.code == 2
    assert "steered by the network 'net'; say with --control-model where it is" in done.err
    other = written(here / "other", **V1 | {"conditioning_embedding_out_channels": [8, 16, 32, 64]})
    again = ["reproduce", "a.png", *model, "--control-model"]
    done = run(*again, other.name, "--input", original.name)
    assert "it is not 'other'; say with --control-model where it is" in done.err
    done = run(*again, net)
    assert "'a.png' was made from the picture 'a@b.png', 64x40; name its file" in done.err
    done = run("generate", "a dog", "--like", "a.png", *model, "--device", "cpu", "-o", "c.png")
    assert done.code == 0
    assert "not taken from 'a.png': what steered it (give it with --control)" in done.err
    record = read_record(here / "c.png")
    assert record is not None
    assert "controls" not in record


def test_over_a_picture_and_a_part_of_it(
    run: Command, here: Path, original: Path, net: str, tiny_v1: Path
) -> None:
    words = ["a cat", *OPTIONS, "--model", str(tiny_v1)]
    control = ["--control", f"inpaint:{original.name}@{net}:1:fill"]
    mask = ["--mask", "box:8,8,24,16"]
    found: list[bytes] = []
    for number, more in enumerate(([], ["--only-masked", "4"])):
        out = f"{number}.png"
        given = [original.name, *words, *mask, *control, *more, "--keep-inputs"]
        done = run("inpaint", *given, "-o", out)
        assert done.code == 0, done.err
        drawn = np.asarray(read_picture(here / out))
        assert np.array_equal(drawn[36:], np.asarray(read_picture(original))[36:])
        found.append(drawn.tobytes())
        again = run("reproduce", out, "-q", "--yes", "--control-model", net)
        assert again.code == 0, again.err
    assert found[0] != found[1]
    hints = [np.asarray(read_picture(path)) for path in sorted(here.glob("control-*.png"))]
    assert len(hints) == 2
    assert any((hint[10:20, 12:28] == 0).all() for hint in hints)
    done = run("img2img", original.name, *words, "--control", f"canny:a@b.png@{net}", "-o", "i.png")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("control", "says"),
    [
        ("canny:nowhere.png@net", "there is no file 'nowhere.png'"),
        ("canny:text.png@net", "'text.png' is not a PNG, JPEG, WebP or BMP picture"),
        ("cany:a@b.png@net", "--control: there is no preprocessor 'cany'; did you mean canny?"),
        ("depth:a@b.png@net", "'depth' needs a network, which kakusan does not have"),
        ("canny:a@b.png@net:nan", "the scale of --control must be a number from -100 to 100"),
        (
            "canny:a@b.png@net:1:0.8-0.2",
            "the start of --control must be below the end, not 0.8-0.2",
        ),
        ("canny:a@b.png", "--control must be KIND:PICTURE@MODEL"),
        ("canny:a@b.png@nowhere/at-all/net", "nowhere/at-all/net"),
        ("inpaint:a@b.png@net", "nothing of 'a@b.png' is transparent; give "),
        ("canny:wide.png@net", "'wide.png' has 40000x2 pixels, which is no shape to cut"),
    ],
)
def test_what_cannot_be(
    control: str,
    says: str,
    run: Command,
    here: Path,
    original: Path,
    net: str,
    tiny_v1: Path,
) -> None:
    (here / "text.png").write_text("no picture")
    Image.new("RGB", (40_000, 2)).save(here / "wide.png")
    size = ["--width", "64", "--height", "64", "--model", str(tiny_v1)]
    done = run("generate", "a", *OPTIONS, *size, "--control", control, "-o", "x.png")
    assert done.code == 2
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not (here / "x.png").exists()


def test_a_net_of_another_family_is_refused_by_name(
    run: Command, here: Path, original: Path, tiny_v1: Path
) -> None:
    xl = written(here / "xl", **XL)
    weights = next(xl.glob("*.safetensors"))
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2])  # which nobody reads
    control = ["--control", f"canny:{original.name}@xl"]
    done = run("generate", "a", *OPTIONS, "--model", str(tiny_v1), *control)
    assert done.code == 2
    assert "--control: 'xl': the ControlNet is for another family of models: its text" in done.err


def test_modes_that_are_none(run: Command, original: Path) -> None:
    done = run("generate", "a", "--control-mode", "prompt")
    assert "--control-mode says how a --control counts, and there is none" in done.err
    done = run("generate", "a", "--control", f"canny:{original.name}@x", "--control-mode", "x")
    assert "--control-mode must be one of balanced, guess, prompt, control, not 'x'" in done.err
    assert "there is none" in run("generate", "a", "--keep-inputs").err


def test_another_tools_picture_is_steered_again(
    run: Command, here: Path, original: Path, net: str, tiny_v1: Path
) -> None:
    info = PngInfo()
    unit = "Module: canny, Model: control_canny [d14c016b], Weight: 0.8, Guidance End: 1"
    said = "Steps: 2, Sampler: Euler, CFG scale: 7, Seed: 3, Size: 64x40, Version: v1.6.0"
    info.add_text("parameters", f'a cat\n{said}, ControlNet 0: "{unit}"')
    Image.new("RGB", (64, 40)).save(here / "theirs.png", pnginfo=info)
    words = ["reproduce", "theirs.png", "--model", str(tiny_v1), "--device", "cpu"]
    done = run(*words)
    assert done.code == 0, done.err
    wanted = "what steered it: ControlNet 'control_canny', made by 'canny', weight 0.8 (give"
    assert wanted in done.err
    done = run(*words, "--control", f"canny:{original.name}@{net}:0.8", "-o", "b.png")
    assert done.code == 0, done.err
    assert "what steered it" not in done.err
    record = read_record(here / "b.png")
    assert record is not None
    assert "controls" in record
