"""Who holds a lease: a process, named so that others on its machine see when it is gone."""

import os
import socket
from pathlib import Path

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def own_name() -> str:
    """What this process is called in leases: its machine, and what tells it from any other."""
    return "/".join((socket.gethostname().replace("/", "_"), *_counted(), *_process(os.getpid())))


def is_gone(name: str) -> bool:
    """Whether the holder of a lease was a process of this boot and lives no more.

    Of another machine's, container's or boot's nobody here can tell; its lease ends by itself.
    """
    parts = name.split("/")
    if len(parts) != 5 or not parts[1] or tuple(parts[1:3]) != _counted():
        return False
    return parts[3].isdecimal() and _process(int(parts[3])) != (parts[3], parts[4])


def _counted() -> tuple[str, str]:
    """The boot and the space in which processes are numbered; empty where that is unknown."""
    try:
        return _BOOT.read_text(encoding="ascii").strip(), os.readlink("/proc/self/ns/pid")
    except OSError:  # no Linux
        return "", ""


def _process(number: int) -> tuple[str, str]:
    """A process' number, and when it began in clock ticks since the boot; "0" if it is dead."""
    try:
        told = Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return str(number), "0"
    return str(number), "0" if told[0] in (b"Z", b"X") else told[19].decode()
