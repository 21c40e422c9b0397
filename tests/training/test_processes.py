"""A process joins others only when it is told to."""

import subprocess
import sys

import pytest
from torch import distributed

from kakusan.errors import InputError
from kakusan.training.processes import Processes, join

IMPORTED = """
import kakusan.training.trainer
from torch import distributed
assert not distributed.is_initialized()
"""


def test_a_process_without_a_group_is_alone() -> None:
    join()
    assert not distributed.is_initialized()
    assert Processes.current() == Processes(rank=0, count=1)


def test_one_of_several_that_has_not_joined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(InputError, match=r"one of 2 processes .* call .*\.join\(\)"):
        Processes.current()


def test_importing_joins_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """To join would fail: nobody listens there."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    subprocess.run([sys.executable, "-c", IMPORTED], check=True)
