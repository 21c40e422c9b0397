"""The kernels for CUDA devices, where there is one, and who computes where there is none."""

import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from kakusan.runtime import cuda, kernels

WITH_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def picture(*shape: int, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    made = torch.randn(*shape, generator=torch.Generator().manual_seed(0)) * 3 + 5
    return made.to(device, dtype).to(memory_format=torch.channels_last)


def test_a_cpus_picture_is_not_for_them() -> None:
    weight = torch.ones(64)
    assert cuda.group_norm_for(picture(2, 64, 4, 4), weight, weight) is None


@pytest.mark.parametrize("lacks", ["a compiler", "NVIDIA"])
def test_torch_does_it_where_they_cannot_be_made(
    monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    module = ModuleType("kakusan.runtime.cuda.group_norm")
    vars(module)["group_norm"] = torch.group_norm
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setenv("CC", "cc")
    assert cuda._group_norm.__wrapped__() is torch.group_norm
    if lacks == "NVIDIA":
        monkeypatch.setattr(torch.version, "hip", "7.1")
    else:
        monkeypatch.delenv("CC")
        monkeypatch.setenv("PATH", "")
    assert cuda._group_norm.__wrapped__() is None


@WITH_GPU
@pytest.mark.parametrize("silu", [False, True])
@pytest.mark.parametrize(
    ("dtype", "error"), [(torch.float32, 1e-6), (torch.float16, 1e-3), (torch.bfloat16, 5e-3)]
)
@pytest.mark.parametrize(
    ("shape", "groups"),
    [
        ((2, 320, 64, 64), 32),
        ((2, 2560, 16, 16), 32),
        ((3, 70, 5, 7), 7),
        ((1, 128, 1000, 999), 32),  # many programs share a group
        ((2, 96, 300, 301), 3),
    ],
)
def test_group_norm(
    shape: tuple[int, ...], groups: int, dtype: torch.dtype, error: float, silu: bool
) -> None:
    x = picture(*shape, device="cuda", dtype=dtype)
    weight, bias = (torch.randn(shape[1], device="cuda").to(dtype) for _ in range(2))
    assert cuda.group_norm_for(x, weight, bias) is not None
    found = kernels.group_norm(x, groups, weight, bias, 1e-5, silu=silu)
    expected = F.group_norm(x.double(), groups, weight.double(), bias.double(), 1e-5)
    expected = F.silu(expected) if silu else expected
    assert (found.double() - expected).norm() <= error * expected.norm()
    assert found.dtype == dtype
    assert found.is_contiguous(memory_format=torch.channels_last)


@WITH_GPU
def test_gradients_are_torchs() -> None:
    x = picture(1, 32, 8, 8, device="cuda").requires_grad_()
    weight = torch.ones(32, device="cuda")
    kernels.group_norm(x, 8, weight, weight, 1e-5, silu=True).sum().backward()
    assert x.grad is not None
