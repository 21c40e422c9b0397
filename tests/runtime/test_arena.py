"""Buffers are used again once nothing refers to them, and never before."""

import copy
import mmap
import platform
import subprocess
import sys
import threading
import weakref
from types import SimpleNamespace

import pytest
import torch

from kakusan.runtime import arena
from kakusan.runtime.arena import empty, reused


class Owner:
    """Whose results they are."""


SIDE = 1024  # of float32 matrices of 4 MiB


@pytest.mark.parametrize("lacks", ["the advice", "large pages"])
def test_memory_comes_without_large_pages_too(monkeypatch: pytest.MonkeyPatch, lacks: str) -> None:
    """As on other systems, and on Linux with a kernel that has none."""

    class Mapping(mmap.mmap):
        def madvise(self, *_: object) -> None:
            raise OSError(22, "Invalid argument")

    given = SimpleNamespace(mmap=Mapping)
    if lacks == "large pages":
        given.MADV_HUGEPAGE = 14
    monkeypatch.setattr(arena, "mmap", given)
    assert arena._fresh(1 << 20).nbytes == 1 << 20


def test_memory_is_used_again_only_when_it_is_free() -> None:
    with reused(Owner(), keep=True):
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
    with reused(Owner(), keep=True):
        place = empty(4 * SIDE, SIDE).data_ptr()
        assert empty(SIDE, SIDE).data_ptr() != place


def test_each_owner_and_each_thread_has_its_own() -> None:
    owner = Owner()
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


def test_nothing_is_held_for_an_owner_that_is_gone() -> None:
    owner = Owner()
    with reused(owner, keep=True):
        empty(SIDE, SIDE)
    gone = weakref.ref(owner)
    del owner
    assert gone() is None
    assert not arena._ARENA.pool.free  # pyright: ignore[reportPrivateUsage]


def test_a_result_may_end_on_another_thread() -> None:
    with reused(Owner(), keep=True):
        result = [empty(SIDE, SIDE)]
        place = result[0].data_ptr()
        thread = threading.Thread(target=result.clear)
        thread.start()
        thread.join()
        assert empty(SIDE, SIDE).data_ptr() == place


def test_a_result_of_one_owner_is_nothing_to_the_next() -> None:
    with reused(Owner(), keep=True):
        result = empty(SIDE, SIDE)
        place = result.data_ptr()
    with reused(Owner(), keep=True):
        held = empty(SIDE, SIDE)
        del result  # goes to the system
        assert not arena._ARENA.pool.free  # pyright: ignore[reportPrivateUsage]
        assert held.data_ptr() != place


def test_a_copied_owner_has_memory_of_its_own() -> None:
    owner = Owner()
    with reused(owner, keep=True):
        owner.result = empty(SIDE, SIDE).fill_(3.0)  # pyright: ignore
        other = copy.deepcopy(owner)
    with reused(other, keep=True):
        empty(SIDE, SIDE).fill_(4.0)
    assert (owner.result == 3.0).all()  # pyright: ignore
    assert (other.result == 3.0).all()  # pyright: ignore


def test_results_outlive_the_arena() -> None:
    with reused(Owner(), keep=False):
        result = empty(SIDE, SIDE).fill_(3.0)
    with reused(Owner(), keep=False):
        empty(SIDE, SIDE).fill_(4.0)
    assert (result == 3.0).all()


def test_outside_memory_is_fresh() -> None:
    assert empty(2, 3).shape == (2, 3)
    assert empty(SIDE, SIDE, dtype=torch.bfloat16).dtype == torch.bfloat16


FAULTS = """
import resource, torch
from kakusan.runtime.arena import hold
assert hold()
for _ in range(16):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 << 20, dtype=torch.uint8)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc can be told to hold")
def test_held_memory_is_not_fetched_again() -> None:
    """64 MiB are 16,384 pages; a process of its own, since holding cannot be undone."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    first, *_, last = (int(line) for line in done.stdout.split())
    assert first > 16  # pages may be of 2 MiB
    assert last < 16
