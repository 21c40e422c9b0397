"""Processes that begin in no time, since what they need was imported once for all of them."""

import multiprocessing
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # Windows has neither it nor such a server
    from multiprocessing.context import ForkServerContext

_preloaded: tuple[str, ...] | None = None


def fork_server(*modules: str) -> "ForkServerContext":
    """The context of processes that begin with `modules` imported, and with no others.

    A server keeps what it imported, and the environment that it was begun in: of one that another
    test has begun with other modules, processes would have that test's. It is ended first.
    """
    global _preloaded
    if _preloaded != modules:
        from multiprocessing import forkserver

        # typeshed does not know what CPython's own tests end it with
        server: Any = forkserver._forkserver  # pyright: ignore[reportPrivateUsage]
        server._stop()
        _preloaded = modules
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    return context
