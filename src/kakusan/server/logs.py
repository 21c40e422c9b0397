"""The log of the command: a line an event, as text or JSON, without prompts unless asked for."""

import json
import logging
import sys
import time
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from kakusan.errors import printable

EVENT = "kakusan_event"  # attributes of a record, beside its message
_LOGGERS = ("kakusan", "uvicorn.error")
_LONGEST = 2000


def details(**told: Any) -> dict[str, Any]:
    """What goes into `extra` of a log call: plain values beside the message."""
    return {EVENT: told}


class Lines(logging.Formatter):
    """A line for people: time, level, message, and the details behind it."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = getattr(record, EVENT, {})
        more = "".join(f" {name}={value}" for name, value in told.items() if value is not None)
        when = time.strftime("%H:%M:%S", time.localtime(record.created))
        return printable(f"{when} {record.levelname.lower()} {_message(self, record)}{more}")[
            :_LONGEST
        ]


class JsonLines(logging.Formatter):
    """A JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = getattr(record, EVENT, {})
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        found = {
            "time": f"{when}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _message(self, record)[:_LONGEST],
            **{name: value for name, value in told.items() if value is not None},
        }
        return json.dumps(found)


def _message(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    message = " ".join(record.getMessage().split())
    if record.exc_info is None:
        return message
    return f"{message}: {' '.join(formatter.formatException(record.exc_info).split())}"


@contextmanager
def logged(kind: str, *, prompts: bool = False) -> Generator[None]:
    """Within, the server's log goes to stderr.

    Args:
        kind: "text" or "json".
        prompts: whether prompts are written, too.
    """
    global _prompts
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if kind == "json" else Lines())
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(each.level, each.propagate, list(each.handlers)) for each in loggers]
    for each in loggers:
        each.handlers, each.propagate = [handler], False
        each.setLevel(logging.INFO if each.name == "kakusan" else logging.WARNING)
    _prompts = prompts
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _warned
            yield
    finally:
        _prompts = False
        for each, (level, propagate, handlers) in zip(loggers, before, strict=True):
            each.setLevel(level)
            each.propagate, each.handlers = propagate, handlers


_prompts = False


def _warned(message: Warning | str, *_where: object, **_more: object) -> None:
    """A warning as a line of the log; of a prompt that is cut, without what was cut."""
    from kakusan.text.tokenizer import PromptCutWarning

    text = str(message)
    if isinstance(message, PromptCutWarning) and not _prompts:
        text = text.partition("; cut off:")[0]
    logging.getLogger("kakusan.server").warning("%s", text)


def writes_prompts() -> bool:
    """Whether whoever runs the server wants prompts in its log."""
    return _prompts
