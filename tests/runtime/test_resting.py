"""Mapped blocks leave the process's memory while others compute, and come back as they were."""

from pathlib import Path

import pytest
import torch
from torch import nn

from kakusan.checkpoints.gguf import read_gguf
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.checkpoints.weights import load_into
from kakusan.quantized.formats import Q8_0
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.runtime.resting import rest

STATUS = Path("/proc/self/status")
needs_linux = pytest.mark.skipif(not STATUS.is_file(), reason="reads Linux's /proc")


def of_files() -> int:
    """How much of this process's memory is files' (bytes)."""
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile"))


@pytest.fixture
def layer(tmp_path: Path) -> nn.Linear:
    torch.manual_seed(0)
    path = tmp_path / "x.gguf"
    weights = {"weight": torch.randn(2048, 4096), "bias": torch.randn(2048)}
    write_gguf(path, weights, {"weight": Q8_0}, {})
    with torch.device("meta"):
        made = nn.Linear(4096, 2048)
    load_into(made, dict(read_gguf(path, None)), where="x", kept=(Q8_0,))
    return made


@needs_linux
def test_pages_are_given_back_and_read_again(layer: nn.Linear) -> None:
    weight = layer.weight
    assert isinstance(weight, QuantizedTensor)
    assert weight.mapped
    layer.bias.data += 1  # on a page of the same file
    before, bias = weight.dequantize(), layer.bias.clone()
    used = of_files()
    rest(layer)
    assert of_files() < used - 0.9 * weight.nbytes
    assert torch.equal(weight.dequantize(), before)
    assert torch.equal(layer.bias, bias)
    assert of_files() > used - 0.1 * weight.nbytes


@needs_linux
def test_what_is_no_file_s_memory_is_left_alone(layer: nn.Linear) -> None:
    weight = layer.weight
    assert isinstance(weight, QuantizedTensor)
    before = weight.dequantize()
    own = QuantizedTensor(weight.blocks.clone(), weight.kind, weight.shape, weight.dtype)
    assert not own.mapped
    for same in (weight.half(), weight[:32]):
        assert isinstance(same, QuantizedTensor)
        assert same.mapped
    layer.weight = nn.Parameter(own, requires_grad=False)
    rest(layer)
    assert torch.equal(own.dequantize(), before)
    rest(nn.Linear(4, 4))
