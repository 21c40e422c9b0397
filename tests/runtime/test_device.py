"""What goes to a device, and how, told on a machine that has none."""

from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan.runtime.device import queues, send

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
