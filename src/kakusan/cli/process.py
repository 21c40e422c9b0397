"""What the command line sets for its whole process, as a library must not."""

import gc
import importlib
import logging
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from kakusan.cli.console import remark
from kakusan.cli.live import Live
from kakusan.runtime.holding import hold_memory


def prepare(line: Live, model: str | None) -> None:
    """Load torch, and say so while it takes its seconds; then say that `model` is loaded."""
    line.wait("loading torch")
    with _without_collection():
        hold_memory()
        importlib.import_module("kakusan.pipeline")
    say_loading(line, model)


@contextmanager
def _without_collection() -> Generator[None]:
    """Within, no garbage is looked for, which takes a tenth of the time of large imports."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@contextmanager
def memory_told(quiet: bool) -> Generator[None]:
    """Within, what a run takes of memory is told on stderr, unless `quiet`."""
    logger, handler = logging.getLogger("kakusan.memory"), _Remark()
    if quiet:
        yield
        return
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


class _Remark(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        remark(record.getMessage())


def say_loading(line: Live, model: str | None) -> None:
    """Say that a model is loaded, or that it is fetched, which shows bars of its own."""
    if not line.on:
        return
    from kakusan.checkpoints.source import BUILTIN, locate
    from kakusan.errors import KakusanError

    name = BUILTIN if model is None else model
    try:
        locate(name, local_files_only=True)
    except KakusanError:  # said in the end, if it cannot be fetched either
        line.leave(f"looking for {name}")
    else:
        line.wait(f"loading {Path(name).name if Path(name).exists() else name}")
