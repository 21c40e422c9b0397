"""`kakusan decode`: what `generate` saves when it cannot decode, and pictures made of it later."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from kakusan.errors import DecodeError, GenerationInterrupted, Undecoded
from kakusan.images import read_record
from kakusan.models import AutoencoderKL
from kakusan.pipeline import load_latents, save_latents
from tests.cli.fakes import FakeDrawing, Run

Command = Callable[..., Run]
SMALL = ("--steps", "2", "--width", "64", "--height", "64", "--seed", "7")


def undecoded(fake: FakeDrawing, seed: int) -> Undecoded:
    return Undecoded(torch.zeros(1, 4, 8, 8), [fake.record("a cat", seed)])


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException | None], None]:
    """Has the VAE fail, or work again."""
    plain = AutoencoderKL._decode
    failure: list[BaseException | None] = [None]

    def decode(self: AutoencoderKL, z: torch.Tensor) -> torch.Tensor:
        if failure[0] is not None:
            raise failure[0]
        return plain(self, z)

    monkeypatch.setattr(AutoencoderKL, "_decode", decode)
    return lambda error: failure.__setitem__(0, error)


def test_the_picture_is_the_same_byte_for_byte(
    run: Command, here: Path, tiny_v1: Path, short: Any
) -> None:
    arguments = ("generate", "a cat", *SMALL, "--model", str(tiny_v1))
    assert run(*arguments, "-o", "wanted.png").code == 0
    short(MemoryError())
    done = run(*arguments, "-o", "cat.png")
    assert (done.code, done.out) == (3, "")
    assert done.err == (
        "kakusan: there is not enough memory on cpu for 64 x 64 pixels in the VAE; draw a smaller "
        "picture, or free memory; the finished latents are saved, and `kakusan decode "
        f"cat.safetensors --model {tiny_v1}` goes on from there\n"
    )
    again = run("decode", "cat.safetensors", "--yes")
    assert (again.code, again.out) == (3, "")
    assert "`kakusan decode cat-2.safetensors --model" in again.err
    short(None)
    assert run("decode", "cat.safetensors").code == 2
    done = run("decode", "cat.safetensors", "--model", str(tiny_v1))
    assert (done.code, done.lines, done.err) == (0, ["cat.png"], "")
    assert (here / "cat.png").read_bytes() == (here / "wanted.png").read_bytes()
    done = run("decode", "cat.safetensors", "-y", "-o", "out/", "--json")
    assert [each["path"] for each in done.json()["pictures"]] == ["out/cat.png"]
    assert (here / "out" / "cat.png").read_bytes() == (here / "wanted.png").read_bytes()
    assert run("info", "cat.safetensors", "--json").json() == read_record(here / "cat.png")
    assert "prompt: a cat" in run("info", "cat.safetensors").lines


def test_a_decode_that_fails_later_keeps_the_pictures(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    fake.fails_at, fake.failure = 1, DecodeError("no room", undecoded(fake, 8))
    done = run("generate", "a cat", "--count", "3", "--seed", "7", "-o", "a.png")
    assert (done.code, done.lines) == (3, ["a-1.png"])
    assert done.err.endswith(
        "no room; the finished latents are saved, and `kakusan decode a-2.safetensors` goes on "
        "from there (1 of 3 pictures were saved)\n"
    )
    assert load_latents(here / "a-2.safetensors").records[0]["seed"] == 8
    done = run("generate", "a cat", "--count", "3", "--seed", "7", "--json", "-q")
    assert done.json()["latents"] == "kakusan-8-a-cat.safetensors"
    assert done.json()["error"] == "no room"


def test_ctrl_c_in_the_decode_keeps_the_latents(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    fake.fails_at, fake.failure = 0, GenerationInterrupted((), undecoded(fake, 7))
    done = run("generate", "a cat", "--seed", "7", "-o", "new/a.png")
    assert (done.code, done.out) == (130, "")
    stopped, interrupted = done.err.splitlines()
    assert "stopped in the decode; the finished latents are saved" in stopped
    assert "`kakusan decode new/a.safetensors`" in stopped
    assert interrupted == "kakusan: interrupted"
    assert (here / "new" / "a.safetensors").is_file()


def test_what_holds_no_latents_is_refused(run: Command, here: Path) -> None:
    for name, said in (
        ("absent.safetensors", "there is no file 'absent.safetensors'"),
        ("a.png", "is a picture, and latents are decoded, from a file in .safetensors that"),
        ("a.png", "`kakusan info` tells how a picture was made"),
    ):
        (here / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        done = run("decode", name)
        assert (done.code, done.out) == (2, "")
        assert said in done.err
    done = run("info", "absent.safetensors")
    assert done.code == 2
    assert "there is no file" in done.err


def test_a_strangers_model_is_used_only_when_told(
    run: Command, fake: FakeDrawing, here: Path
) -> None:
    record = {**fake.record("a cat", 7), "model": "models/mine"}
    fake.fails_at, fake.failure = 0, DecodeError("no", Undecoded(torch.zeros(1, 4, 8, 8), [record]))
    assert run("generate", "a cat", "-o", "a.png").code == 3
    done = run("decode", "a.safetensors")
    assert (done.code, done.out) == (2, "")
    assert "'models/mine', which is a folder; say with --model" in done.err
    assert "or with --yes" in done.err


def test_a_vae_that_tells_its_scale_needs_no_model(
    run: Command, here: Path, tiny_v1: Path, short: Any
) -> None:
    arguments = ("generate", "a cat", *SMALL, "--model", str(tiny_v1))
    assert run(*arguments, "-o", "wanted.png").code == 0
    short(MemoryError())
    assert run(*arguments, "-o", "cat.png").code == 3
    short(None)
    (own,) = (tiny_v1 / "vae").glob("*.safetensors")
    shutil.copy(own, here / "file.safetensors")
    done = run("decode", "cat.safetensors", "--vae", "file.safetensors")
    assert (done.code, done.out) == (2, "")
    assert "which is a folder; say with --model which you mean, or with --yes" in done.err
    done = run("decode", "cat.safetensors", "--vae", str(tiny_v1 / "vae"), "-o", "a.png")
    assert (done.code, done.lines) == (0, ["a.png"])
    pixels = [Image.open(here / name).tobytes() for name in ("wanted.png", "a.png")]
    assert pixels[0] == pixels[1]
    record = read_record(here / "a.png")
    assert record is not None
    assert (record["vae"], record["model"]) == (str(tiny_v1 / "vae"), str(tiny_v1))


def test_a_vae_does_not_replace_a_checker(
    run: Command, here: Path, tiny_v1: Path, fake: FakeDrawing
) -> None:
    record = {**fake.record("a cat", 7), "model": "models/mine", "safety_checker": True}
    save_latents(here / "a.safetensors", torch.zeros(1, 4, 8, 8), [record])
    done = run("decode", "a.safetensors", "--vae", str(tiny_v1 / "vae"))
    assert (done.code, done.out) == (2, "")
    assert "'models/mine', which is a folder; say with --model" in done.err


def test_after_a_vae_that_gives_nan_another_is_suggested(
    run: Command, here: Path, tiny_v1: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AutoencoderKL, "_decode", lambda _, z: torch.full_like(z, torch.nan))
    vae = ("--vae", str(tiny_v1 / "vae"))
    done = run("generate", "a cat", *SMALL, "--model", str(tiny_v1), *vae, "-o", "cat.png")
    assert done.code == 3
    command = f"kakusan decode cat.safetensors --model {tiny_v1} --vae ANOTHER"
    assert f"`{command}` goes on from there" in done.err
