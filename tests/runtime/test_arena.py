"""Buffers are used again once nothing refers to them, and never before."""

import threading

import torch

from kakusan.runtime.arena import empty, reused

SIDE = 1024  # of float32 matrices of 4 MiB


def test_memory_is_used_again_only_when_it_is_free() -> None:
    with reused(object(), keep=True):
        first, second = empty(SIDE, SIDE), empty(SIDE, SIDE)
        assert first.data_ptr() != second.data_ptr()
        place, view = first.data_ptr(), first[3:].t()
        del first
        third = empty(SIDE, SIDE)  # the view still needs the first one's
        assert third.data_ptr() not in (place, second.data_ptr())
        del view
        fourth = empty(SIDE - 1, SIDE)
        assert fourth.data_ptr() == place
        assert fourth.data_ptr() % 64 == 0


def test_much_larger_memory_is_not_spent_on_a_small_result() -> None:
    with reused(object(), keep=True):
        place = empty(4 * SIDE, SIDE).data_ptr()
        assert empty(SIDE, SIDE).data_ptr() != place


def test_each_owner_and_each_thread_has_its_own() -> None:
    owner = object()
    with reused(owner, keep=True):
        place = empty(SIDE, SIDE).data_ptr()
    found: list[int] = []

    def other() -> None:
        with reused(owner, keep=True):
            found.append(empty(SIDE, SIDE).data_ptr())

    with reused(owner, keep=True):
        held = empty(SIDE, SIDE)
        assert held.data_ptr() == place
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert found != [place]


def test_results_outlive_the_arena() -> None:
    with reused(object(), keep=False):
        result = empty(SIDE, SIDE).fill_(3.0)
    with reused(object(), keep=False):
        empty(SIDE, SIDE).fill_(4.0)
    assert (result == 3.0).all()


def test_outside_memory_is_fresh() -> None:
    assert empty(2, 3).shape == (2, 3)
    assert empty(SIDE, SIDE, dtype=torch.bfloat16).dtype == torch.bfloat16
