"""What the tools ask for: something that draws, such as a running server."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from kakusan.errors import KakusanError


class StudioError(KakusanError):
    """What was asked for cannot be had; the message is one line for whoever asked."""


@dataclass(frozen=True)
class PictureId:
    """One picture of a job."""

    job: str
    index: int

    def __str__(self) -> str:
        return f"{self.job}/{self.index}"


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A finished picture.

    Attributes:
        size: of its PNG file, in bytes; None where it is not known.
        record: its settings.
    """

    id: PictureId
    width: int
    height: int
    size: int | None
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a job stands.

    Attributes:
        state: "queued", "running", "done", "failed" or "cancelled".
        ahead: how many go before it, where it waits.
    """

    job: str
    state: str
    step: int = 0
    steps: int = 0
    ahead: int | None = None
    error: str | None = None
    pictures: Sequence[Drawn] = field(default_factory=tuple[Drawn, ...])

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self.state in ("done", "failed", "cancelled")


class Studio(Protocol):
    """Each call may raise `StudioError`."""

    async def submit(self, settings: Mapping[str, Any]) -> str:
        """The id of the job that draws this; settings have a `Request`'s names.

        `image` and `mask` are what `put_picture` gave; a mask may be a shape such as
        `box:0,0,64,64`, too.
        """
        ...

    async def status(self, job: str) -> Status: ...

    async def cancel(self, job: str) -> Status: ...

    async def picture(self, which: PictureId, *, file_format: str, size: int | None) -> bytes: ...

    async def put_picture(self, data: bytes) -> object: ...

    async def models(self) -> Sequence[Mapping[str, Any]]: ...
