"""What commands say: results on stdout, everything else on stderr, one line each."""

import json
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

import typer

from kakusan.cli import streams
from kakusan.cli.live import aside
from kakusan.errors import OutputError

# Control characters could drive the terminal, and lone surrogates cannot be written
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


LONGEST = 2000  # characters of a message
RED, YELLOW = "1;31", "33"


def printable(text: str) -> str:
    """`text` with control characters and lone surrogates as escapes; line ends and tabs stay."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], text)


def one_line(text: str) -> str:
    return " ".join(printable(text).split())


def complain(message: object) -> None:
    """Write `kakusan: message` to stderr, as one line; it stands out where there are colours."""
    _tell(message, RED)


def remark(message: object) -> None:
    """The same for what is no error."""
    _tell(message, YELLOW)


def _tell(message: object, colour: str) -> None:
    text = one_line(str(message))
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 3]}..."
    name = "kakusan:"
    if streams.has_colours(sys.stderr):
        name = f"\x1b[{colour}m{name}\x1b[0m"
    with aside(), suppress(OSError):  # with nobody to hear it the work still counts
        typer.echo(_fitted(f"{name} {text}", sys.stderr), err=True)


def say(text: str) -> None:
    """Write a line of results to stdout.

    Raises:
        ReaderLeft: Nobody reads it any more.
        OutputError: It cannot be written.
    """
    _print(_fitted(printable(text), sys.stdout))


def say_path(path: Path) -> None:
    """Write a file's path to stdout, in the very bytes that the system knows it by.

    Windows knows it by characters, and stdout says in which bytes they are read.
    """
    if sys.platform == "win32":
        _print(_fitted(str(path), sys.stdout))
    else:
        _print(os.fsencode(path))


def say_saved(path: Path, facts: str, quiet: bool) -> None:
    """Write a file's path to stdout, and to a person at a terminal what is to be known of it.

    Where stdout is that terminal too, both make one line.
    """
    separator = " · " if _fitted("·", sys.stderr) == "·" else ", "
    told = f"{separator}{printable(facts)}"
    if quiet or not streams.is_terminal(sys.stderr):
        say_path(path)
    elif streams.is_one_terminal():
        _print(_fitted(one_line(str(path)), sys.stdout) + _dimmed(told))
    else:
        say_path(path)
        with aside(), suppress(OSError):
            typer.echo(_fitted(one_line(str(path)), sys.stderr) + _dimmed(told), err=True)


def _dimmed(text: str) -> str:
    return f"\x1b[2m{text}\x1b[0m" if streams.has_colours(sys.stderr) else text


def say_json(value: object) -> None:
    """Write one JSON document to stdout, in ASCII, so that any prompt and any terminal will do."""
    _print(json.dumps(value, indent=2))


def _print(text: str | bytes) -> None:
    try:
        with aside():
            typer.echo(text)
    except BrokenPipeError:
        raise streams.ReaderLeft from None
    except OSError as error:
        raise OutputError(f"cannot write to stdout: {error.strerror}") from None


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


class _LineHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        remark(record.getMessage())


def _show_warning(message: Warning | str, *_where: object, **_more: object) -> None:
    remark(message)


@contextmanager
def plain_notices() -> Generator[None]:
    """Show warnings and kakusan's log on stderr as one line each, without source lines."""
    logger, handler = logging.getLogger("kakusan"), _LineHandler(logging.WARNING)
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            # of a damaged picture Pillow tells each tag that it skips
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    finally:
        logger.removeHandler(handler)
