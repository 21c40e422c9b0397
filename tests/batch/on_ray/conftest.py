"""A Ray cluster of this machine, one at a time, whatever else runs the tests."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.cli.conftest import here, run
from tests.programs import ROOT

__all__ = ["here", "run"]

CPUS = 2
_LOOPBACK = (
    "0100007F:",
    "00000000000000000000000001000000:",
    "0000000000000000FFFF00000100007F:",  # of IPv4, in IPv6's form
)


def environment(home: Path) -> dict[str, str]:
    """Of processes that have Ray: nothing of it stays in the user's folder."""
    return {
        **os.environ,
        "HOME": str(home),
        "KAKUSAN_CACHE": str(home / "cache"),
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # all that it begins listens on loopback
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": "0123456789abcdef" * 4,
    }


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Meanwhile no other process of this run of tests has a Ray cluster."""
    fcntl = pytest.importorskip("fcntl")
    shared = tmp_path_factory.getbasetemp().parent / "kakusan-tests-ray.lock"
    with shared.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder for Ray, whose names of sockets must be short."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster(alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster with two processors, which listens on loopback."""
    home = tmp_path_factory.mktemp("home")
    own = environment(home)
    begin = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--port=0", "--block"]
    options = {
        "num-cpus": CPUS,
        "num-gpus": 0,
        "include-dashboard": "false",
        "object-store-memory": 2**27,
    }
    with pytest.MonkeyPatch.context() as patched, short_folder() as folder:
        for name, value in own.items():
            if name == "HOME" or name.startswith("RAY_"):
                patched.setenv(name, value)
        pytest.importorskip("ray")  # which reads some of them when it is imported
        process = subprocess.Popen(
            [*begin, f"--temp-dir={folder}", *(f"--{name}={options[name]}" for name in options)],
            env=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            yield _address(process, folder)
        finally:
            stop(process, signal.SIGTERM)


def stop(process: "subprocess.Popen[bytes]", number: int) -> None:
    """End what leads a session, and wait for all that it began."""
    process.send_signal(number)
    try:
        process.wait(60)
    finally:
        for pid in in_session(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
    while in_session(process.pid):
        time.sleep(0.05)


def _address(process: "subprocess.Popen[bytes]", folder: Path) -> str:
    told = folder / "ray_current_cluster"
    while not (told.is_file() and told.read_text()):
        assert process.poll() is None
        time.sleep(0.1)
    return told.read_text().strip()


def in_session(number: int) -> list[int]:
    """What runs of all that a process began which leads a session."""
    found = list[int]()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, session = (path / "stat").read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(session) == number and state != "Z":
            found.append(int(path.name))
    return found


def heard_by_others(session: int) -> list[str]:
    """The addresses, in the kernel's digits, at which it listens for other machines."""
    inodes = set[str]()
    for pid in in_session(session):
        for path in Path(f"/proc/{pid}/fd").glob("*"):
            with suppress(OSError):
                inodes.update(re.findall(r"^socket:\[(\d+)\]", str(path.readlink())))
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    listening = [each[1] for each in lines if each[3] == "0A" and each[9] in inodes]
    assert listening
    return [each for each in listening if not each.startswith(_LOOPBACK)]
