"""What the server can refuse beside what the queue does.

UnknownJob   no job of the caller has this id
TooLate      a job has begun or ended, and cannot be changed so any more
Draining     the server is about to stop, and takes nothing new
DiskLow      there is too little room for pictures
Busy         so much is being worked on that this has to wait
ClientLeft   who waited for a job has gone; it was cancelled
FieldError   a field of what was sent cannot be used
WrongType    a body is called something else than what is taken
"""

from kakusan.errors import InputError, KakusanError, RequestError


class UnknownJob(InputError):  # noqa: N818
    """No job of the caller has this id."""


class TooLate(InputError):  # noqa: N818
    """A job has begun or ended, and cannot be changed so any more."""


class UnknownFile(InputError):  # noqa: N818
    """The job has no picture of this number."""


class Draining(KakusanError):  # noqa: N818
    """The server is about to stop, and takes nothing new."""


class DiskLow(KakusanError):  # noqa: N818
    """There is too little room for pictures."""


class Busy(KakusanError):  # noqa: N818
    """So much is being worked on that this has to wait."""


class ClientLeft(KakusanError):  # noqa: N818
    """Who waited for a job has gone; it was cancelled."""


class FieldError(RequestError):
    """A field of what was sent cannot be used.

    Attributes:
        field: its name, as it was sent.
    """

    def __init__(self, field: str, why: str) -> None:
        super().__init__(why)
        self.field = field

    def __reduce__(self) -> tuple[type["FieldError"], tuple[str, str]]:
        return type(self), (self.field, str(self.args[0]))


class WrongType(FieldError):  # noqa: N818
    """A body is called something else than what is taken."""
