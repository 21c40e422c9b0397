"""Kernels on several threads: the same bits in any company, and nobody waits for ever."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from kakusan.runtime import kernels

pytestmark = pytest.mark.skipif(
    not kernels.available(), reason="no kernels were built for this processor"
)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


SPINNING = """
import os, sys
while os.getppid() == int(sys.argv[1]):
    sum(range(100_000))
"""


@pytest.fixture
def busy() -> Iterator[None]:
    """As many other processes as there are cores, each taking what it can get."""
    spinning = [sys.executable, "-c", SPINNING, str(os.getpid())]
    others = [subprocess.Popen(spinning) for _ in range(os.cpu_count() or 1)]
    yield
    for other in others:
        other.kill()
        other.wait()


def results(seed: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, 64, 24, 24, generator=generator)
    weight = torch.randn(64, 64, 3, 3, generator=generator)
    bias = torch.linspace(-1, 1, 64)
    tokens = x.flatten(2).transpose(1, 2)
    return [
        kernels.convolution(x, weight, bias, stride=1, padding=1),
        kernels.convolution(x, weight, bias, stride=2, padding=1),
        kernels.group_norm(x, 8, bias, bias, 1e-5, silu=True),
        kernels.linear(tokens, weight.flatten(1)[:, :64], bias, None),
        kernels.attention(tokens, tokens, tokens, 2),
    ]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(map(torch.equal, some, others))


def test_the_same_bits_beside_busy_processes(busy: None) -> None:
    torch.set_num_threads(1)
    alone = results(0)
    for count in (2, 3, 2, 1, 3) * 4:
        torch.set_num_threads(count)
        assert same(results(0), alone)


def test_several_callers_at_once() -> None:
    torch.set_num_threads(1)
    alone = [results(seed) for seed in range(4)]
    torch.set_num_threads(3)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(results, list(range(4)) * 8))
    assert all(map(same, together, alone * 8))


def lines_of(program: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.split()


BEGIN = """
import os, sys, time, torch
from kakusan.runtime.kernels import linear
x, weight = torch.randn(300, 300), torch.randn(300, 300)
"""

FORK = """
torch.set_num_threads(2)
expected = linear(x, weight, None, None)
for _ in range(20):
    linear(x, weight, None, None)
    if not os.fork():
        equal = all(torch.equal(linear(x, weight, None, None), expected) for _ in range(20))
        os._exit(0 if equal and torch.get_num_threads() == 2 else 1)
    print(os.wait()[1])
assert torch.equal(linear(x, weight, None, None), expected)
"""


def test_a_forked_process_computes() -> None:
    assert lines_of(BEGIN + FORK) == ["0"] * 20


COUNT = """
def used(count):
    torch.set_num_threads(count)
    before = len(os.listdir("/proc/self/task"))
    linear(x, weight, None, None)
    return len(os.listdir("/proc/self/task")) - before
print(used(1), used(3), used(2), used(4))
"""


def test_helpers_are_as_many_as_torch_has_threads() -> None:
    assert lines_of(BEGIN + COUNT) == ["0", "2", "0", "1"]


PAUSES = """
for i in range(3000):
    torch.set_num_threads(1 + i % 4)
    linear(x, weight, None, None)
    time.sleep(0.0005 * (i % 3 == 0))
print("done")
"""


def test_helpers_that_sleep_are_woken() -> None:
    assert lines_of(BEGIN + PAUSES) == ["done"]
