"""A Ray cluster to draw on: one that is there, or one of this machine, begun for the run."""

import logging
import os
import secrets
import shutil
import sys
import tempfile
from contextlib import ExitStack, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from kakusan.batch.on_ray.joining import HERE, check_joins, join
from kakusan.batch.on_ray.sharing import Node
from kakusan.errors import KakusanError, reason

_SHORT = 24  # characters of a folder in which there is room for Ray's names of sockets
_STORE = 2**29  # bytes in which pictures wait to be written
# What Ray is told before it is imported; none of it replaces what somebody has set
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0"}
_OWN = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # all that it begins listens on loopback


class Cluster:
    """Joined, or begun, until it is closed. Meanwhile nothing else is said on stdout.

    Args:
        address: HOST:PORT, "auto" for the one of this machine, or "local" to begin one.

    Raises:
        KakusanError: It cannot be joined or begun.
    """

    def __init__(self, address: str) -> None:
        with ExitStack() as held:
            # Ray prints there when an actor dies, whatever it is told
            silence = held.enter_context(open(os.devnull, "w", encoding="utf-8"))
            held.enter_context(redirect_stdout(silence))
            logging.getLogger("ray").setLevel(logging.CRITICAL + 1)
            for name, value in _QUIET.items():
                os.environ.setdefault(name, value)
            if address == HERE:
                _begin(held)
            else:
                check_joins(address)
                held.callback(_shut_down)
                _ray("be joined", join, address)
            self._held = held.pop_all()

    def nodes(self) -> list[Node]:
        """Its machines."""
        import ray

        each = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return [Node(int(one.get("CPU", 0)), int(one.get("GPU", 0))) for one in each]

    def close(self) -> None:
        """Leave it, and end it if it was begun here."""
        self._held.close()


def _begin(held: ExitStack) -> None:
    base = tempfile.gettempdir()
    if len(base) > _SHORT and sys.platform != "win32":
        base = "/tmp"
    folder = Path(tempfile.mkdtemp(prefix="kakusan-ray-", dir=base))
    held.callback(shutil.rmtree, folder, ignore_errors=True)
    held.callback(_shut_down)
    # Whoever has no token is not served, and no file of it is left
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    for name, value in {**_OWN, **token}.items():
        os.environ.setdefault(name, value)
    options: dict[str, Any] = {
        "address": HERE,
        "include_dashboard": False,
        "object_store_memory": _STORE,
        "_temp_dir": str(folder),
    }
    _ray("be begun", _init, options)


def _init(options: dict[str, Any]) -> None:
    import ray

    ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)


def _ray(what: str, function: Any, argument: Any) -> None:
    try:
        function(argument)
    except (Exception, SystemExit) as error:
        raise KakusanError(f"Ray cannot {what}: {reason(error)}") from None


def _shut_down() -> None:
    if (ray := sys.modules.get("ray")) is not None:
        with suppress(Exception):  # its other end may have gone first
            ray.shutdown()
