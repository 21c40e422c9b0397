"""What is given as an adapter and is something else is named before a model is loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import kakusan
from kakusan.checkpoints.gguf_fields import text_field
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.errors import InputError
from kakusan.pipeline.draw import loaded
from kakusan.quantized.formats import F16, F32
from tests.oracle import single
from tests.pipeline.test_gguf import as_comfyui_writes, as_cpp_writes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    as_comfyui_writes(tmp_path / "unet.gguf", F16)
    as_cpp_writes(tmp_path / "whole.gguf", F16)
    for kind in ("llama", "flux"):
        fields = {"general.architecture": text_field(kind)}
        write_gguf(tmp_path / f"{kind}.gguf", {"x": torch.ones(2)}, {"x": F32}, fields)
    single.write(tmp_path / "vae.safetensors", single.vae_tensors(single.v1().vae, prefix=""))
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.png")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unet.gguf", "is the UNet of a Stable Diffusion 1 model, not a LoRA .*: --unet takes it"),
        ("whole.gguf", "is a Stable Diffusion 1 model, not a LoRA .*: give it as the model"),
        ("llama.gguf", 'is another model .general.architecture is "llama"'),
        ("flux.gguf", "is another kind of image model"),
        ("vae.safetensors", "is the VAE of .*, not a LoRA .*: --vae takes it"),
        ("cat.png", "is not a file of weights"),
    ],
)
def test_it_is_named(folder: Path, tiny_v1: Path, name: str, says: str) -> None:
    asked: dict[str, Any] = {"model": tiny_v1, "steps": 1, "progress": False}
    before = loaded.cache_info().misses
    with pytest.raises(InputError, match=says) as caught:
        kakusan.generate("a", loras=folder / name, **asked)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert loaded.cache_info().misses == before


def test_a_folder_is_told_to_be_one(tmp_path: Path, tiny_v1: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hat.safetensors").touch()
    with pytest.raises(InputError, match=r"is a folder; give a file in it \(hat.safetensors\)"):
        kakusan.generate("a", model=tiny_v1, steps=1, loras=tmp_path / "mine")
