"""Whether there is a Ray cluster at an address: tried in a process that can be ended.

Ray itself tries for minutes, in its own code, which hears no Ctrl-C.
"""

import logging
import multiprocessing
import os
import socket
from contextlib import suppress
from typing import Any

from kakusan.errors import InputError, reason, shown

AUTO, HERE = "auto", "local"
_ANSWER_S = 10.0  # for a connection
_JOIN_S = 60.0


def check_joins(address: str) -> None:
    """See that a cluster can be joined.

    Raises:
        InputError: It cannot; the message says why.
    """
    context = multiprocessing.get_context("spawn")
    own, other = context.Pipe()
    process = context.Process(target=_try, args=(address, other), daemon=True)
    process.start()
    other.close()
    said = f"it did not answer within {_JOIN_S:.0f} seconds"
    with suppress(EOFError):
        if own.poll(_JOIN_S):
            said = own.recv()
    process.kill()
    process.join()
    if said:
        raise InputError(f"there is no Ray cluster to be joined at {shown(address)}: {said}")


def check_answers(address: str) -> None:
    """See that something answers where a cluster is said to be.

    Args:
        address: HOST:PORT, "auto" for the one of this machine, or "local" for one that is begun.

    Raises:
        InputError: It is no address, or nothing does.
    """
    if address in (AUTO, HERE):
        return
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit() or int(port) not in range(1, 65536):
        allowed = f"HOST:PORT, {AUTO} or {HERE}"
        raise InputError(f"the address of a Ray cluster must be {allowed}, not {shown(address)}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_S).close()
    except (OSError, UnicodeError) as error:
        said = reason(error)
        raise InputError(f"no Ray cluster answers at {shown(address)}: {said}") from None


def join(address: str) -> None:
    """Join a cluster quietly."""
    import ray

    ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL)


def _try(address: str, connection: Any) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # on which Ray tells of each attempt
    try:
        join(address)
    except BaseException as error:  # it ends the process where it likes
        connection.send(reason(error))
    else:
        connection.send("")
