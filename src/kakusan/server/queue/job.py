"""What the queue holds: a job, where it stands, and its pictures. Plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

ROWS = (
    "batch"  # the dialect of rows of tables, which a server takes from nobody and draws for nobody
)


class State(StrEnum):
    """Where a job stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self in (State.DONE, State.FAILED, State.CANCELLED)


class Priority(IntEnum):
    """Which jobs go first; within one, the older. Age lifts a job."""

    BATCH = 0
    QUEUED = 10
    WAITING = 20  # a caller holds a connection open for it


class Stop(StrEnum):
    """How a running job is asked to end early."""

    CANCEL = "cancel"  # nothing is kept
    INTERRUPT = "interrupt"  # decode what there is, and be done


@dataclass(frozen=True, kw_only=True)
class Submission:
    """What is to be drawn, and for whom; checked before it comes here.

    Attributes:
        request: the record of a `kakusan.Request` (`to_record`), with a seed; models, networks and
            adapters in it are names of the catalog, never paths.
        inputs: the ids of the stored pictures that the request tells of, in any order.
        client: who asks, for fairness, history and idempotency: a token's name.
        dialect: through whose API: "kakusan", "a1111", "openai", "comfyui", "ollama", "mcp"; `ROWS`
            where the request is a row of a table, in a form of its own.
        key: of idempotency, of the client's choice; the same again within a day is the same job.
        body_hash: of what was sent under `key`, so that another body under it is refused.
        note: what the dialect wants to find again beside the job, plain JSON.
    """

    request: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    client: str = "local"
    dialect: str = "kakusan"
    priority: int = Priority.QUEUED
    key: str | None = None
    body_hash: str | None = None
    note: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, kw_only=True)
class StoredPicture:
    """A finished picture of a job.

    Attributes:
        index: its number among the pictures of the job.
        file: its name in the store's folder of pictures.
        sha256: of the file.
        size: of the file, in bytes.
        record: all that makes it again, as it stands in the file.
    """

    index: int
    file: str
    sha256: str
    size: int
    width: int
    height: int
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One accepted submission. Times are in seconds since 1970.

    Attributes:
        id: a UUID of version 7, so that ids sort by age.
        position: its place among the queued ones of its priority; smaller goes first.
        fence: rises with each lease; who holds an older one can write no more.
        attempts: how many times it was begun.
        step, steps: how many were taken of all pictures together, and how many there are; 0 before
            it is known.
        stop: how it was asked to end early.
        error: one line, why it failed.
    """

    id: str
    state: State
    submission: Submission
    position: float
    created: float
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    fence: int = 0
    step: int = 0
    steps: int = 0
    stop: Stop | None = None
    error: str | None = None
    pictures: tuple[StoredPicture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RowResult:
    """What became of a row of a table.

    Attributes:
        id: of its job.
        state: a final one.
        attempts: how many times it was begun.
        data: what its worker made of it; None where it came to nothing.
    """

    id: str
    state: State
    attempts: int
    data: bytes | None


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened to a job and is kept; steps and previews are not.

    Attributes:
        seq: rises over all jobs, so that a reader goes on after the last one that it has.
        kind: "queued" (also when it is moved or waits again), "started", "picture" (with its
            `index`), "done", "failed" (with its `error`), "cancelled" or "deleted".
    """

    seq: int
    job: str
    kind: str
    at: float
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
