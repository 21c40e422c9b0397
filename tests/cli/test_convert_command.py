"""`kakusan models convert`, and files where models are named."""

from collections.abc import Callable
from pathlib import Path

import torch

from tests.cli.fakes import Run
from tests.oracle import single

Command = Callable[..., Run]


def test_a_file_becomes_a_folder_and_a_file_again(run: Command, tmp_path: Path) -> None:
    file = single.write(tmp_path / "v1.safetensors", single.v1_tensors(single.v1()))
    done = run("models", "convert", str(file), str(tmp_path / "folder"))
    assert done.code == 0
    assert str(tmp_path / "folder") in done.lines[0]
    again = run("models", "convert", str(tmp_path / "folder"), str(tmp_path / "b.safetensors"))
    assert again.code == 0
    refused = run("models", "convert", str(tmp_path / "folder"), str(tmp_path / "b.safetensors"))
    assert refused.code == 2
    assert "--overwrite" in refused.err
    done = run("models", "convert", str(tmp_path / "nothing"), str(tmp_path / "c.safetensors"))
    assert done.code == 2


def test_a_picture_is_drawn_with_a_file(run: Command, tmp_path: Path) -> None:
    file = single.write(tmp_path / "v1.safetensors", single.v1_tensors(single.v1()))
    size = ("--width", "64", "--height", "64", "--steps", "1")
    done = run("generate", "a cat", "--model", str(file), *size, "-o", str(tmp_path / "cat.png"))
    assert done.code == 0, done.err
    again = run("reproduce", str(tmp_path / "cat.png"), "--model", str(file))
    assert again.code == 0, again.err
    bad = single.write(
        tmp_path / "lora.safetensors", {"lora_unet_x.lora_up.weight": torch.zeros(2, 2)}
    )
    done = run("generate", "a cat", "--model", str(bad), "-o", str(tmp_path / "no.png"))
    assert done.code == 2
    assert "is a LoRA" in done.err


def test_a_folder_becomes_a_quantised_file_that_draws(run: Command, tmp_path: Path) -> None:
    file = single.write(tmp_path / "v1.safetensors", single.v1_tensors(single.v1()))
    quantised = tmp_path / "v1.gguf"
    done = run("models", "convert", "--quantize", "q8_0", str(file), str(quantised))
    assert done.code == 0, done.err
    assert quantised.stat().st_size < 0.6 * file.stat().st_size
    size = ("--width", "64", "--height", "64", "--steps", "1")
    cat = tmp_path / "cat.png"
    done = run("generate", "a cat", "--model", str(quantised), *size, "-o", str(cat))
    assert done.code == 0, done.err
    done = run("models", "convert", "--quantize", "q9", str(file), str(tmp_path / "b.gguf"))
    assert done.code == 2
    assert "must be one of: q8_0, q4_0" in done.err
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(quantised.read_bytes()[:5000])
    done = run("generate", "a cat", "--model", str(cut), "-o", str(tmp_path / "no.png"))
    assert done.code == 2
    assert "cut.gguf is not a whole GGUF file" in done.err
    assert len(done.err.strip().splitlines()) == 1
