"""What went wrong, as an HTTP status and a few words: one table for every API."""

import re
from typing import Any, NamedTuple

from kakusan.errors import ArgumentError, InputError, KakusanError, UnknownNameError
from kakusan.server.errors import (
    Busy,
    ClientLeft,
    DiskLow,
    Draining,
    FieldError,
    TooLate,
    UnknownFile,
    UnknownJob,
    WrongType,
)
from kakusan.server.queue.errors import (
    KeyReused,
    QueueFull,
    StoreError,
    UnknownInput,
    UnknownPicture,
)

RETRY_SOON, RETRY_LATER = 5, 30  # seconds
_NAMED = re.compile(r"(?<!\{)\{([a-z_][a-z_0-9]*)\}(?!\})")


class Problem(NamedTuple):
    """An error as an API tells it (after RFC 9457).

    Attributes:
        status: of HTTP.
        type: one word for programs.
        title: the same for people.
        detail: one line: what was got, what is allowed, what to do.
        field: of what was sent, where it is one field's fault.
        retry_after: seconds after which it is worth trying again; None where it is not.
    """

    status: int
    type: str
    title: str
    detail: str
    field: str | None = None
    retry_after: int | None = None

    def to_json(self) -> dict[str, Any]:
        """As it is sent."""
        found = {"type": self.type, "title": self.title, "detail": self.detail}
        return found if self.field is None else {**found, "field": self.field}

    @property
    def headers(self) -> dict[str, str]:
        """What goes beside it."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


_TABLE: tuple[tuple[type[Exception], int, str, str, int | None], ...] = (
    (QueueFull, 429, "queue_full", "The queue is full", RETRY_SOON),
    (Busy, 429, "busy", "The server is busy", RETRY_SOON),
    (Draining, 503, "draining", "The server is about to stop", RETRY_LATER),
    (DiskLow, 507, "disk_low", "There is no room for pictures", RETRY_LATER),
    (StoreError, 503, "store_error", "The database does not answer", RETRY_SOON),
    (ClientLeft, 499, "client_left", "The caller has gone", None),
    (KeyReused, 422, "key_reused", "The idempotency key was used for something else", None),
    (UnknownJob, 404, "unknown_job", "There is no such job", None),
    (TooLate, 409, "too_late", "It is too late for this change", None),
    (UnknownFile, 404, "unknown_picture", "There is no such picture", None),
    (UnknownPicture, 404, "unknown_picture", "There is no such picture", None),
    (UnknownInput, 422, "unknown_input", "There is no such input", None),
    (UnknownNameError, 422, "unknown_name", "Nothing has this name", None),
    (WrongType, 415, "wrong_type", "The body is of another type", None),
    (InputError, 422, "invalid", "Something cannot be used", None),
    (KakusanError, 500, "failed", "Something went wrong", None),
)


def problem_of(error: Exception) -> Problem:
    """An error as an API tells it; of what is not kakusan's own, nothing is told."""
    for kind, status, name, title, retry in _TABLE:
        if isinstance(error, kind):
            return Problem(status, name, title, str(error), field_of(error), retry)
    return Problem(500, "internal", "Something went wrong", "the server's log says what")


def field_of(error: Exception) -> str | None:
    """Which field of a request an error is about."""
    if isinstance(error, FieldError):
        return error.field
    if isinstance(error, ArgumentError) and (found := _NAMED.search(error.template)):
        return found[1]
    return None
