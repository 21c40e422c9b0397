"""Files that are no whole model, on the command line: what to type, and what is left out."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kakusan import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from tests.cli.fakes import Run
from tests.oracle import single

Command = Callable[..., Run]
SMALL = ("--width", "64", "--height", "64", "--steps", "1", "-o", "x.png")
UNET, VAE, TEXT = "model.diffusion_model.", "first_stage_model.", "cond_stage_model."


@pytest.fixture(scope="module")
def v1() -> dict[str, Tensor]:
    return single.v1_tensors(single.v1())


def only(tensors: dict[str, Tensor], path: Path, *prefixes: str) -> str:
    kept = {name: tensor for name, tensor in tensors.items() if name.startswith(prefixes)}
    return str(single.write(path, kept))


@pytest.mark.parametrize(
    ("prefixes", "words"),
    [
        ((UNET, TEXT), ("has no vae; give the file of one with --vae",)),
        ((UNET,), ("no vae and no text_encoder", "model with --model, and this file with --unet")),
        ((UNET, VAE), ("no text_encoder", "with --model, and this file with --unet")),
        ((VAE,), ("is a VAE alone", "with --model, and this file with --vae")),
        ((TEXT,), ("is a text encoder alone", "name a whole one with --model")),
    ],
)
def test_what_is_missing_is_asked_for_by_options(
    run: Command,
    here: Path,
    v1: dict[str, Tensor],
    prefixes: tuple[str, ...],
    words: tuple[str, ...],
) -> None:
    done = run("generate", "a cat", "--model", only(v1, here / "f.safetensors", *prefixes), *SMALL)
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "from_pretrained" not in done.err
    for each in words:
        assert each in done.err


def test_the_refiner_says_that_it_draws_from_no_text(run: Command, here: Path) -> None:
    file = single.write(here / "second.safetensors", single.refiner_tensors(single.refiner()))
    done = run("generate", "a cat", "--model", str(file), *SMALL)
    assert done.code == 2
    assert "is SDXL's refiner" in done.err
    assert "name another with --model" in done.err


def test_a_part_that_does_not_fit_is_told_before_memory(
    run: Command, here: Path, v1: dict[str, Tensor]
) -> None:
    model = str(single.write(here / "v1.safetensors", v1))
    other = str(single.write(here / "xl.safetensors", single.sdxl_tensors(single.sdxl())))
    text = only(v1, here / "text.safetensors", TEXT)
    for option, file in (("--unet", other), ("--vae", text)):
        name = Path(file).name  # from the current folder
        done = run("generate", "a cat", "--model", model, option, name, *SMALL)
        assert done.code == 2
        assert len(done.err.splitlines()) == 1, done.err
        assert name in done.err


def test_broken_shapes_in_a_folder_are_told_before_memory(
    run: Command, here: Path, v1: dict[str, Tensor]
) -> None:
    file = str(single.write(here / "v1.safetensors", v1))
    assert run("models", "convert", file, "folder").code == 0
    path = Path("folder/unet/diffusion_pytorch_model.safetensors")
    broken = load_file(path)
    broken["conv_in.bias"] = torch.zeros(3)
    save_file(broken, path)
    done = run("generate", "a cat", "--model", "folder", *SMALL)
    assert done.code == 2
    assert "conv_in.bias has the shape (3,)" in done.err
    assert "memory" not in done.err


def test_a_part_alone_becomes_its_folder(run: Command, here: Path, v1: dict[str, Tensor]) -> None:
    done = run("models", "convert", only(v1, here / "u.safetensors", UNET), "unet")
    assert done.code == 0
    assert "holds a unet alone" in done.err
    assert "--unet takes it" in done.err
    assert not Path("unet/model_index.json").exists()
    UNet2DConditionModel.from_pretrained("unet")
    done = run("models", "convert", only(v1, here / "v.safetensors", VAE), "vae")
    assert "--vae takes it" in done.err
    done = run("models", "convert", only(v1, here / "t.safetensors", TEXT), "text")
    assert "holds a text_encoder alone" in done.err
    model = str(single.write(here / "v1.safetensors", v1))
    drawn = run("generate", "a cat", "--model", model, "--unet", "unet", "--vae", "vae", *SMALL)
    assert drawn.code == 0, drawn.err


def test_absent_parts_are_said(run: Command, here: Path, v1: dict[str, Tensor]) -> None:
    done = run("models", "convert", only(v1, here / "f.safetensors", UNET, TEXT), "folder")
    assert done.code == 0
    assert "the file has no vae" in done.err
    assert json.loads(Path("folder/model_index.json").read_text())["vae"] == [None, None]
    done = run("generate", "a cat", "--model", "folder", *SMALL)
    assert "folder has no vae; give the file of one with --vae" in done.err
    model = str(single.write(here / "v1.safetensors", v1))
    done = run("generate", "a cat", "--model", "folder", "--vae", model, *SMALL)
    assert done.code == 0, done.err
    vae = AutoencoderKL.from_single_file(only(v1, here / "v.safetensors", VAE))
    StableDiffusionPipeline.from_pretrained("folder", vae=vae)


def test_eight_bits_are_not_left_out(run: Command, here: Path, v1: dict[str, Tensor]) -> None:
    eight = {
        name: tensor.to(torch.float8_e4m3fn) if name.startswith(UNET) else tensor
        for name, tensor in v1.items()
    }
    done = run("models", "convert", str(single.write(here / "e.safetensors", eight)), "folder")
    assert done.code == 0
    assert "weights in 8 bits became float16" in done.err
    assert "left out" not in done.err
