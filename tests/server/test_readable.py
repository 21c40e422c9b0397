"""What a picture tells of how it was made, in words that a job can be asked for with."""

from pathlib import Path

import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from safetensors.torch import save_file

from kakusan.server.readable import told_by
from kakusan.server.worker.catalog import Catalog


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    folder = tmp_path / "loras"
    folder.mkdir()
    tensors = {
        "lora_unet_x.lora_up.weight": torch.zeros(2, 1),
        "lora_unet_x.lora_down.weight": torch.zeros(1, 2),
    }
    save_file(tensors, folder / "sepia.safetensors")
    return Catalog.of(loras=[folder])


def automatic1111s(folder: Path, prompt: str) -> Path:
    info = PngInfo()
    info.add_text(
        "parameters", f"{prompt}\nSteps: 18, Sampler: Euler a, CFG scale: 4.5, Seed: 5, Size: 96x64"
    )
    Image.new("RGB", (96, 64)).save(folder / "made.png", pnginfo=info)
    return folder / "made.png"


def test_a_lora_that_is_here_is_not_left_out(tmp_path: Path, catalog: Catalog) -> None:
    told = told_by(automatic1111s(tmp_path, "a cat <lora:sepia:0.7>"), catalog)
    assert told["settings"]["prompt"] == "a cat <lora:sepia:0.7>"
    assert told["left"] == []


def test_a_lora_that_is_elsewhere_is_said_once(tmp_path: Path, catalog: Catalog) -> None:
    told = told_by(automatic1111s(tmp_path, "a cat <lora:other:1>"), catalog)
    assert told["left"] == ["the LoRA 'other' is not on this server"]
