"""How much kakusan's logger tells, under the reference library's names; it tells little."""

import logging
from logging import CRITICAL, DEBUG, ERROR, FATAL, INFO, NOTSET, WARNING

__all__ = [
    "CRITICAL",
    "DEBUG",
    "ERROR",
    "FATAL",
    "INFO",
    "NOTSET",
    "WARNING",
    "disable_progress_bar",
    "enable_progress_bar",
    "get_logger",
    "get_verbosity",
    "set_verbosity",
    "set_verbosity_debug",
    "set_verbosity_error",
    "set_verbosity_info",
    "set_verbosity_warning",
]


def get_logger(name: str | None = None) -> logging.Logger:
    """The logger of this name, kakusan's where none is given."""
    return logging.getLogger(name or "kakusan")


def get_verbosity() -> int:
    """From which level on kakusan's logger tells."""
    return get_logger().getEffectiveLevel()


def set_verbosity(verbosity: int) -> None:
    """Have kakusan's logger tell what is of this level or above."""
    get_logger().setLevel(verbosity)


def set_verbosity_debug() -> None:
    set_verbosity(DEBUG)


def set_verbosity_info() -> None:
    set_verbosity(INFO)


def set_verbosity_warning() -> None:
    set_verbosity(WARNING)


def set_verbosity_error() -> None:
    set_verbosity(ERROR)


def disable_progress_bar() -> None:
    """Nothing: loading shows no bar; `pipe.set_progress_bar_config(disable=True)` is of drawing."""


def enable_progress_bar() -> None:
    """Nothing: see `disable_progress_bar`."""
