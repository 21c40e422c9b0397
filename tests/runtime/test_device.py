"""What goes to a device, and how, told on a machine that has none."""

from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.runtime import machine
from kakusan.runtime.device import best_device, parse_device, queues, send
from kakusan.runtime.memory import free_memory
from kakusan.runtime.precision import compute_dtype, default_dtype, explain

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def moves(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was done to tensors on their way; none of it moves anything."""
    done: list[Any] = []

    def pin(tensor: Tensor) -> Tensor:
        done.append("pinned")
        return tensor

    def to(tensor: Tensor, *target: object, **options: object) -> Tensor:
        done.append((*target, options))
        return tensor

    monkeypatch.setattr(Tensor, "pin_memory", pin)
    monkeypatch.setattr(Tensor, "to", to)
    return done


def test_nothing_waits_for_what_goes_to_a_gpu(moves: list[Any]) -> None:
    send(torch.ones(2), CUDA)
    assert moves == ["pinned", (CUDA, {"non_blocking": True})]


@pytest.mark.parametrize("device", [CPU, torch.device("mps"), torch.device("meta")])
def test_other_devices_know_no_pinned_memory(moves: list[Any], device: torch.device) -> None:
    send(torch.ones(2), device)
    assert moves == [(device, {})]


def test_what_is_on_a_device_already_is_not_pinned(moves: list[Any]) -> None:
    send(torch.ones(2, device="meta"), CUDA)
    assert moves == [(CUDA, {})]


def test_a_cpu_works_at_once_and_everything_else_later() -> None:
    assert not queues(CPU)
    assert queues(CUDA)
    assert queues(torch.device("mps"))


@pytest.fixture
def no_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("cuda", "xpu", "backends.mps"):
        monkeypatch.setattr(f"torch.{kind}.is_available", lambda: False)


@pytest.fixture
def intel(no_devices: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with two of Intel's GPUs."""
    for name, found in {
        "is_available": True,
        "device_count": 2,
        "get_device_name": "Arc",
        "mem_get_info": (6000, 8000),
        "memory_reserved": 500,
        "memory_allocated": 200,
    }.items():
        monkeypatch.setattr(torch.xpu, name, lambda *_, found=found: found)


@pytest.fixture
def apple(no_devices: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: True)


def test_without_a_gpu_the_cpu_is_best_and_all_there_is(no_devices: None) -> None:
    assert best_device() == CPU
    for name in ("cuda", "xpu", "mps", "cuda:0", "meta", "hpu", "vulkan", "Metal", "directml"):
        with pytest.raises(RequestError) as refused:
            parse_device(name)
        assert str(refused.value) == (f"device '{name}' is not on this machine; choose one of: cpu")


@pytest.mark.parametrize("name", ["rocm", "hip", "amdgpu", "hip:0"])
def test_amds_gpus_are_asked_for_as_torch_calls_them(no_devices: None, name: str) -> None:
    with pytest.raises(RequestError, match=r"choose one of: cpu \(AMD's GPUs are called cuda\)$"):
        parse_device(name)


def test_intels_gpus_are_taken_by_torchs_names(intel: None) -> None:
    assert best_device() == torch.device("xpu")
    assert parse_device("xpu:1") == torch.device("xpu:1")
    with pytest.raises(RequestError, match=r"choose one of: cpu, xpu, xpu:0, xpu:1$"):
        parse_device("xpu:2")
    assert machine._gpus() == ("Arc", "Arc")
    assert free_memory(torch.device("xpu:1")) == 6000 + 300


def test_a_driver_that_does_not_tell_its_memory(
    intel: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(device: torch.device) -> tuple[int, int]:
        raise RuntimeError("The device doesn't support querying the available free memory")

    monkeypatch.setattr(torch.xpu, "mem_get_info", fails)
    assert free_memory(torch.device("xpu")) is None


def test_apples_gpu_is_taken_by_torchs_names(apple: None) -> None:
    assert best_device() == torch.device("mps")
    assert parse_device("mps:0") == torch.device("mps:0")
    assert machine._gpus() == ("Apple GPU (mps)",)


@pytest.mark.parametrize(("name", "whose"), [("mps", "Apple's"), ("xpu", "Intel's")])
def test_devices_that_nobody_tested_say_so(name: str, whose: str) -> None:
    device = torch.device(name)
    assert default_dtype(device) == torch.float16
    assert compute_dtype(torch.bfloat16, device) == torch.bfloat16
    assert explain(device).endswith(f"; kakusan is not tested on {whose} GPUs")


def test_amds_are_not_tested_and_nvidias_are(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "not tested" not in explain(CUDA)
    monkeypatch.setattr(torch.version, "hip", "7.1")
    assert explain(CUDA).endswith("; kakusan is not tested on AMD's GPUs")
