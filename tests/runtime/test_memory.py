"""What is free: of the system, and of each group that limits this process."""

from pathlib import Path

import pytest
import torch

from kakusan.runtime import memory
from kakusan.runtime.memory import free_memory

CPU = torch.device("cpu")
GB = 2**30


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text(
        "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable: 8388608 kB\n"
    )
    monkeypatch.setattr(memory, "PROC", tmp_path / "proc")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    return tmp_path


def group(folder: Path, names: tuple[str, str], limit: str, used: int, stat: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / names[0]).write_text(f"{limit}\n")
    (folder / names[1]).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(stat)


V1, V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")


def test_what_the_system_has_available(system: Path) -> None:
    assert free_memory(CPU) == 8 * GB


@pytest.mark.parametrize("where", ["a/b", "a", ""])
def test_a_limit_of_any_group_above(system: Path, where: str) -> None:
    (system / "proc" / "self" / "cgroup").write_text("0::/a/b\n")
    group(system / "cgroup" / "a" / "b", V2, "max", 5, "inactive_file 3\n")
    group(system / "cgroup" / where, V2, str(4 * GB), 3 * GB, f"file 9\ninactive_file {GB}\n")
    assert free_memory(CPU) == 2 * GB


def test_the_older_files(system: Path) -> None:
    (system / "proc" / "self" / "cgroup").write_text("8:pids:/x\n4:cpu,memory:/a\n0::/\n")
    group(system / "cgroup" / "memory" / "a", V1, str(3 * GB), 2 * GB, "total_inactive_file 0\n")
    assert free_memory(CPU) == GB
    group(system / "cgroup" / "memory" / "a", V1, str(2**63 - 4096), GB, "")
    assert free_memory(CPU) == 8 * GB


def test_a_group_that_cannot_be_seen(system: Path) -> None:
    (system / "proc" / "self" / "cgroup").write_text("4:memory:/elsewhere\n0::/../..\n")
    assert free_memory(CPU) == 8 * GB


def test_elsewhere_than_on_linux(system: Path) -> None:
    (system / "proc" / "meminfo").unlink()
    free = free_memory(CPU)
    assert free is not None
    assert free > 0
