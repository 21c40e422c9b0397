"""`--image-prompt` and `--freeu` on the command line, and the same pictures again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kakusan.errors import InputError
from kakusan.images import read_record
from kakusan.request.freeu import typed as freeu
from kakusan.request.image_prompts import typed
from tests.cli.fakes import Run
from tests.steering.test_ip_adapter import Places, picture

Command = Callable[..., Run]
OPTIONS = ["--steps", "2", "--seed", "7", "--quiet", "--device", "cpu"]


@pytest.fixture(scope="module")
def places(tiny_v1: Path, tmp_path_factory: pytest.TempPathFactory) -> Places:
    return Places({"v1": tiny_v1}, tmp_path_factory.mktemp("adapters"))


def test_pictures_and_the_same_again(run: Command, here: Path, places: Places) -> None:
    picture(1).save(here / "seen.png")
    picture(2).save(here / "two.png")
    adapter = places.root / "v1/plus.safetensors"
    model = ["--model", str(places.models["v1"]), "--freeu", "1.5,1.6,0.9,0.2"]
    seen = [f"--image-prompt=seen.png@{adapter}:0.6", f"--image-prompt=two.png@{adapter}:0.6"]
    done = run("generate", "a cat", *OPTIONS, *model, *seen, "--keep-inputs", "-o", "a.png")
    assert (done.code, done.lines) == (0, ["a.png"]), done.err
    record = read_record(here / "a.png")
    assert record is not None
    (told,) = record["image_prompts"]  # pyright: ignore
    assert told["scale"] == 0.6
    assert [each["name"] for each in told["images"]] == ["seen.png", "two.png"]
    assert record["freeu"] == {"b1": 1.5, "b2": 1.6, "s1": 0.9, "s2": 0.2}
    done = run("reproduce", "a.png", "-q", "--yes")  # what was kept is found
    assert (done.code, done.lines) == (0, ["a-reproduced.png"]), done.err
    assert "identical" in done.err
    for kept in here.glob("input-*.png"):
        kept.unlink()
    done = run("reproduce", "a.png", "-q", "--yes")
    assert done.code == 2
    assert "'a.png' was made from the picture 'seen.png', 32x32; name its file with" in done.err
    inputs = ["--input", "two.png", "--input", "seen.png"]
    done = run("reproduce", "a.png", "-q", "--yes", *inputs, "-o", "b.png")
    assert done.code == 0, done.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--image-prompt", "seen.png"], "--image-prompt must be PICTURE@ADAPTER[:SCALE]"),
        (["--image-prompt", "none.png@a.bin"], "none.png"),
        (["--image-prompt", "seen.png@none.bin"], "none.bin"),
        (["--image-prompt", "seen.png@a.bin:nan"], "finite number"),
        (["--image-encoder", "folder"], "--image-encoder is for --image-prompt"),
        (["--freeu", "1.5,1.6"], "--freeu must be B1,B2,S1,S2"),
        (["--freeu", "1.5,1.6,inf,0"], "s1 of --freeu must be a finite number"),
    ],
)
def test_what_is_wrong_is_one_line(run: Command, here: Path, options: list[str], said: str) -> None:
    picture(1).save(here / "seen.png")
    done = run("generate", "a cat", *OPTIONS, *options)
    assert (done.code, done.lines) == (2, [])
    assert said in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("a.png@b.bin", ("a.png", "b.bin", 1.0)),
        ("a@2x.png@C:\\x.safetensors:0.5", ("a@2x.png", "C:\\x.safetensors", 0.5)),
        ("a.png@C:\\x.safetensors", ("a.png", "C:\\x.safetensors", 1.0)),
        (" a.png@b.bin:-1 ", ("a.png", "b.bin", -1.0)),
    ],
)
def test_how_it_is_typed(text: str, meant: tuple[str, str, float]) -> None:
    assert typed(text) == meant


def test_freeu_as_it_is_typed() -> None:
    assert freeu(" 1.5, 1.6,0.9,.2") == (1.5, 1.6, 0.9, 0.2)
    with pytest.raises(InputError, match="B1,B2,S1,S2"):
        freeu("strong")
