"""Networks that take turns on a device."""

import threading

import pytest
import torch
from torch import nn

from kakusan.engine.offload import Offload, move

DEVICE = torch.device("meta")  # any that is not the CPU


class Places:
    """Where networks are, and every move of them."""

    def __init__(self) -> None:
        self.moves: list[tuple[nn.Module, str]] = []
        self.there: set[nn.Module] = set()

    def __call__(self, part: nn.Module, device: torch.device) -> None:
        self.moves.append((part, device.type))
        (self.there.add if device == DEVICE else self.there.remove)(part)


def test_one_is_there_at_a_time_and_stays_until_another_comes() -> None:
    places, a, b = Places(), nn.Linear(1, 1), nn.Linear(1, 1)
    offload = Offload(DEVICE, places)
    for part in (a, a, b, a):
        with offload.use(part):
            assert places.there == {part}
    there = [(a, "meta"), (a, "cpu"), (b, "meta"), (b, "cpu"), (a, "meta")]
    assert places.moves == there
    offload.clear()
    offload.clear()
    assert places.moves == [*there, (a, "cpu")]


def test_threads_do_not_move_away_what_another_uses() -> None:
    places = Places()
    offload = Offload(DEVICE, places)
    alone: list[bool] = []

    def use(part: nn.Module) -> None:
        for _ in range(200):
            with offload.use(part):
                alone.append(places.there == {part})

    threads = [threading.Thread(target=use, args=(nn.Linear(1, 1),)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert alone == [True] * 800


def test_a_part_that_does_not_fit_leaves_nothing_behind() -> None:
    a, b, moves = nn.Linear(1, 1), nn.Linear(1, 1), list[object]()

    def moved(part: nn.Module, device: torch.device) -> None:
        if part is b:
            raise torch.OutOfMemoryError
        moves.append((part, device.type))

    offload = Offload(DEVICE, moved)
    with offload.use(a):
        pass
    with pytest.raises(torch.OutOfMemoryError), offload.use(b):
        pass
    with offload.use(a):
        pass
    assert moves == [(a, "meta"), (a, "cpu"), (a, "meta")]


def test_moving_takes_all_weights() -> None:
    part = nn.BatchNorm1d(2)
    move(part, DEVICE)
    assert {t.device for t in part.state_dict().values()} == {DEVICE}
