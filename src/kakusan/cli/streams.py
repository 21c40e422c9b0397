"""The three streams of the process, of which any may be closed, full, or read no longer."""

import os
import sys
from contextlib import suppress
from typing import TextIO


class ReaderLeft(Exception):  # noqa: N818
    """Whoever read stdout has gone, as `head` does; there is nobody to tell."""


def hold() -> None:
    """Put the null device in the place of closed streams.

    Otherwise the next file that is opened, such as a picture's, would be what is printed to.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        with suppress(OSError):
            os.fstat(number)
            continue
        null = os.open(os.devnull, os.O_RDWR)
        if null != number:
            os.dup2(null, number)
            os.close(null)
        if name != "stdin" and getattr(sys, name) is None:  # a closed stdin is an error if read
            setattr(sys, name, open(number, "w", encoding="utf-8", closefd=False))  # noqa: SIM115


def settle() -> bool:
    """Write what is still buffered; whether stdout could be told all of it.

    What cannot be written is dropped, for Python would try again, and say so.
    """
    failed: list[TextIO] = []
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            failed.append(stream)
            _silence(stream)
    return sys.stdout not in failed


def _silence(stream: TextIO) -> None:
    with suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def is_terminal(stream: TextIO) -> bool:
    """Whether a person looks at `stream`, who sees a line that is written again and again."""
    try:
        return stream.isatty() and os.environ.get("TERM") != "dumb"
    except ValueError:  # closed
        return False


def is_one_terminal() -> bool:
    """Whether stdout and stderr are the same terminal."""
    if not (is_terminal(sys.stdout) and is_terminal(sys.stderr)):
        return False
    try:
        return os.path.sameopenfile(sys.stdout.fileno(), sys.stderr.fileno())
    except (OSError, ValueError):
        return False


def has_colours(stream: TextIO) -> bool:
    """Whether `stream` is a terminal, and its user has not asked for plain text (no-color.org)."""
    return is_terminal(stream) and not os.environ.get("NO_COLOR")
