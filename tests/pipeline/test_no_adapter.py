"""What is given as an adapter and is something else is named before a model is loaded."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

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


@pytest.mark.parametrize(
    ("up", "down", "says"),
    [
        (torch.ones(8, 2), torch.ones(2, 2048), "was made for SDXL, and this model is"),
        (torch.full((8, 2), torch.nan), None, "has values that are NaN or infinite"),
        (None, None, "is not whole: .* has down without up"),
    ],
)
def test_what_does_not_fit_is_told_before_weights_are_read(
    tmp_path: Path,
    tiny_v1: Path,
    caplog: pytest.LogCaptureFixture,
    up: torch.Tensor | None,
    down: torch.Tensor | None,
    says: str,
) -> None:
    with safe_open(next((tiny_v1 / "unet").glob("*.safetensors")), "pt") as file:
        names = list(file.keys())
        name = next(each for each in names if each.endswith("attn2.to_k.weight"))
        rows, columns = file.get_slice(name).get_shape()
    stem = f"lora_unet_{name.removesuffix('.weight').replace('.', '_')}"
    down = torch.ones(2, columns) if down is None else down
    tensors = {f"{stem}.lora_down.weight": down}
    if up is not None:
        tensors[f"{stem}.lora_up.weight"] = up[:1].repeat(rows, 1)
    save_file(tensors, tmp_path / "a.safetensors")
    caplog.set_level("INFO", "kakusan.memory")
    loaded.cache_clear()
    with pytest.raises(InputError, match=says):
        kakusan.generate(
            "a", model=tiny_v1, steps=1, progress=False, loras=tmp_path / "a.safetensors"
        )
    assert caplog.records == []
