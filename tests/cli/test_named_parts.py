"""`--vae` and `--unet`: parts in place of the model's own, from the command to the record."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image
from safetensors.torch import save_file

from kakusan.images import read_record
from kakusan.models import AutoencoderTiny
from tests.cli.fakes import Run
from tests.oracle import tiny

Command = Callable[..., Run]
TAESD: dict[str, Any] = {
    **dict.fromkeys(("encoder_block_out_channels", "decoder_block_out_channels"), (8, 8, 8, 8)),
    **dict.fromkeys(("num_encoder_blocks", "num_decoder_blocks"), (1, 1, 1, 1)),
}


@pytest.fixture
def taesd(here: Path) -> str:
    with tiny.quiet():
        theirs = tiny.randomise(diffusers.AutoencoderTiny(**TAESD), 7)
    tensors = {
        f"taesd_decoder.{int(name.split('.')[2]) + 1}.{name.split('.', 3)[3]}": tensor
        for name, tensor in theirs.state_dict().items()
        if name.startswith("decoder.")
    }
    save_file(tensors, here / "taesd.safetensors")
    return "taesd.safetensors"


def test_lcm_with_taesd(run: Command, here: Path, tiny_lcm: Path, taesd: str) -> None:
    done = run("generate", "a cat", "--model", str(tiny_lcm), "--vae", taesd, "-o", "a.png")
    assert (done.code, done.out) == (0, "a.png\n")
    lines = [line for line in done.err.splitlines() if "memory:" not in line]
    assert lines == ["kakusan: its UNet takes guidance (LCM): drawing with 4 steps, guidance 8.5"]
    record = read_record(here / "a.png")
    assert record is not None
    assert (record["vae"], record["num_inference_steps"]) == (taesd, 4)
    assert record["guidance_scale"] == 8.5
    own = run("generate", "a cat", "--model", str(tiny_lcm), "-o", "b.png", "--steps", "4")
    assert own.code == 0
    # a record is a stranger's
    alone = run("reproduce", "a.png", "--model", str(tiny_lcm), "-o", "no.png")
    assert alone.code == 2
    assert "the record names the vae 'taesd.safetensors' in place of the model's own" in alone.err
    assert "say with --vae which you mean, or with --yes" in alone.err
    for given in (("--yes",), ("--model", str(tiny_lcm), "--vae", taesd)):
        again = run("reproduce", "a.png", "-o", "c.png", "--overwrite", *given)
        assert (again.code, "identical" in again.err) == (0, True)


def test_what_cannot_be_decoded_says_how(
    run: Command, here: Path, tiny_v1: Path, taesd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("generate", "a cat", "--steps", "1", "--seed", "7", "--model", str(tiny_v1))
    assert run(*arguments, "--vae", taesd, "-o", "wanted.png").code == 0
    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderTiny, "to_pixels", lambda *_: (_ for _ in ()).throw(MemoryError()))
        done = run(*arguments, "--vae", taesd, "-o", "cat.png")
    command = f"kakusan decode cat.safetensors --model {tiny_v1} --vae {taesd}"
    assert f"`{command}`" in done.err
    assert run(*command.split()[1:], "-o", "cat.png").code == 0
    pixels = [np.asarray(Image.open(here / f"{name}.png")) for name in ("wanted", "cat")]
    assert np.array_equal(*pixels)


def test_a_grid(run: Command, here: Path, tiny_lcm: Path, taesd: str) -> None:
    done = run(
        *("grid", "a cat", "--x", "steps=1,2", "--model", str(tiny_lcm), "--vae", taesd),
        *("-o", "g.png", "-n", "red"),
    )
    assert done.code == 0
    assert done.err.count("drawing with guidance 8.5") == 1
    assert done.err.count("the negative prompt has no effect") == 1
    record = read_record(here / "g.png")
    assert record is not None
    assert record["vae"] == taesd


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--vae", "no.safetensors"), "no.safetensors"),
        (("--unet", "taesd.safetensors"), "TAESD"),
        (("--vae", "taesd_encoder.safetensors"), "has an encoder alone"),
        (("--taesd", "taesd.safetensors"), "no option --taesd; it is --vae here"),
    ],
)
def test_bad_parts(
    run: Command, here: Path, tiny_v1: Path, taesd: str, arguments: tuple[str, ...], message: str
) -> None:
    with tiny.quiet():
        halves = tiny.randomise(diffusers.AutoencoderTiny(**TAESD), 7).state_dict()
    encoder = {
        name.removeprefix("encoder.layers."): tensor.contiguous()
        for name, tensor in halves.items()
        if name.startswith("encoder.")
    }
    save_file(encoder, here / "taesd_encoder.safetensors")
    done = run("generate", "a cat", "--model", str(tiny_v1), *arguments)
    assert done.code == 2
    assert not list(here.glob("*.png"))
    lines = [line for line in done.err.splitlines() if "memory:" not in line]
    assert len(lines) == 1
    assert message in lines[0]
