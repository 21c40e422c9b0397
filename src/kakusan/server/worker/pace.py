"""How a worker goes about its work. Plain values, with what is usual."""

from dataclasses import dataclass
from typing import Protocol


class Place(Protocol):
    """Where to compute, as whoever runs the server says it."""

    @property
    def device(self) -> str | None:
        """None is what is fast here."""
        ...

    @property
    def dtype(self) -> str | None:
        """In what weights are stored; None is what is fast on the device."""
        ...


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Limits and intervals; times are in seconds.

    Attributes:
        most_rows: of one call of the UNet.
        most_live: pictures under way at a time.
        stay_s: that a model stays loaded while there is work for it, and others have waited.
        lease_s: for how long a job is held; it is renewed after a third of that.
        lift_s: after so long without a step a picture is lifted by a class.
        poll_s: between two looks for what other processes queued.
        sweep_s: between two looks for jobs that nobody holds any more.
        save_s: between two savings of where a job is, if that takes a fiftieth of the time.
        save_again_s: likewise of a job that was begun before: what ended that may come again.
        preview_s: between two previews of a job.
        hash_s: between two looks for files whose hash is not known.
        beat_s, call_s, load_s: within which a worker is to be seen alive again: usually, in a call
            of the networks, and while it loads a model, which may have to be fetched.
    """

    most_rows: int = 8
    most_live: int = 16
    stay_s: float = 30.0
    lease_s: float = 60.0
    lift_s: float = 5.0
    poll_s: float = 1.0
    sweep_s: float = 30.0
    save_s: float = 20.0
    save_again_s: float = 1.0
    preview_s: float = 0.5
    hash_s: float = 60.0
    beat_s: float = 120.0
    call_s: float = 1200.0
    load_s: float = 3600.0
