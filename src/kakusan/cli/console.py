"""What commands say: results on stdout, everything else on stderr, one line each."""

import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import typer

# Control characters could drive the terminal, and lone surrogates cannot be written
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """`text` with control characters and lone surrogates as escapes; line ends and tabs stay."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def complain(message: object) -> None:
    """Write `kakusan: message` to stderr, as one line."""
    typer.echo(_fitted(f"kakusan: {one_line(str(message))}", sys.stderr), err=True)


def say(text: str) -> None:
    """Write a line of results to stdout."""
    typer.echo(_fitted(printable(text), sys.stdout))


def say_path(path: Path) -> None:
    """Write a file's path to stdout, in the very bytes that the system knows it by."""
    typer.echo(os.fsencode(path))


def say_json(value: object) -> None:
    """Write one JSON document to stdout, in ASCII, so that any prompt and any terminal will do."""
    typer.echo(json.dumps(value, indent=2))


def _fitted(text: str, stream: TextIO) -> str:
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "backslashreplace").decode(encoding)


def debugging() -> bool:
    """Whether KAKUSAN_DEBUG asks for tracebacks."""
    return os.environ.get("KAKUSAN_DEBUG", "") not in ("", "0")


def describe(error: BaseException) -> str:
    """One line for an error of any kind; with KAKUSAN_DEBUG its traceback goes before it."""
    if debugging():
        traceback.print_exception(error)
    return one_line(str(error)) or type(error).__name__


def progress(quiet: bool) -> bool | None:
    """What `generate` takes: no bar when quiet, else one if stderr is a terminal.

    Downloads follow the same rule; huggingface_hub reads it when it is imported.
    """
    if quiet or not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    return False if quiet else None


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        complain(record.getMessage())


def _show_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    complain(message)


@contextmanager
def plain_notices() -> Generator[None]:
    """Show warnings and kakusan's log on stderr as one line each, without source lines."""
    logger, handler = logging.getLogger("kakusan"), _LineHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    finally:
        logger.removeHandler(handler)
