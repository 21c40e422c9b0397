"""v1.4's real size with random weights: minutes and gigabytes, `pytest -m slow`."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from benchmarks.measure import relative_error
from benchmarks.parts import PARTS, bind, load
from benchmarks.v1_4 import TEXT, write_unet, write_vae

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """UNet and VAE as the reference writes them, in float16."""
    path = tmp_path_factory.mktemp("v1_4")
    write_unet(path / "unet")
    write_vae(path / "vae")
    yield path
    for file in path.rglob("*.safetensors"):
        file.unlink()


def output(library: str, part_name: str, folder: Path, dtype: torch.dtype) -> torch.Tensor:
    """One call; the network is let go of before the next is loaded."""
    part = PARTS[part_name]
    result = bind(part, load(library, part, folder, dtype, CPU), TEXT["hidden_size"])()
    gc.collect()
    return result


@pytest.mark.parametrize("part", ["unet", "decode"])
def test_full_size_agrees_with_the_reference(part: str, folder: Path) -> None:
    expected = output("diffusers", part, folder, torch.float32)
    assert relative_error(output("kakusan", part, folder, torch.float32), expected) <= 1e-5

    theirs = relative_error(output("diffusers", part, folder, torch.bfloat16), expected)
    ours = relative_error(output("kakusan", part, folder, torch.bfloat16), expected)
    assert ours <= 1.01 * theirs  # both round alike; which is larger by a hair is chance
