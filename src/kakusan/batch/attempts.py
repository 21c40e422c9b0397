"""Which rows brought down what draws them: kept in a file, so that the next start knows.

Ends of this process count apart, since whoever ends it need not mean the row that is drawn then.
"""

import json
from typing import Any, cast

from kakusan.batch.storage import STATE, Storage

FILE = f"{STATE}/attempts.json"
MOST_DEATHS = 3  # of a process of its own that draws a row
MOST_ENDS = 10  # of this process while a row is drawn
_NOTHING: dict[str, Any] = {"drawing": [], "deaths": {}, "ends": {}}


class Attempts:
    """How often each row was begun and not ended.

    Args:
        storage: where that is kept for the next start; None where a row has no next start. Only
            rows that are under way or have failed so are in the file.
    """

    def __init__(self, storage: Storage | None = None) -> None:
        self._storage = storage
        told = _NOTHING if storage is None else _read(storage)
        self._deaths, self._ends = dict(told["deaths"]), dict(told["ends"])
        for number in told["drawing"]:
            self._ends[number] = self._ends.get(number, 0) + 1
        self._drawing: set[str] = set()

    def begin(self, number: int) -> None:
        """A row is drawn from now on."""
        self._drawing.add(str(number))
        self._write()

    def end(self, number: int) -> None:
        """It is finished, in whatever way."""
        name = str(number)
        counted = name in self._deaths or name in self._ends
        self._drawing.discard(name)
        self._deaths.pop(name, None)
        self._ends.pop(name, None)
        if counted:  # else it may stand in the file as begun, since it is not drawn again
            self._write()

    def died(self, number: int) -> None:
        """What drew it has died."""
        name = str(number)
        self._drawing.discard(name)
        self._deaths[name] = self._deaths.get(name, 0) + 1
        self._write()

    def why_not(self, number: int) -> str | None:
        """Why a row is not tried again; None where it is."""
        deaths, ends = self._deaths.get(str(number), 0), self._ends.get(str(number), 0)
        if deaths >= MOST_DEATHS:
            return deaths_said(deaths)
        return f"the run ended {ends} times while it was drawn" if ends >= MOST_ENDS else None

    def suspects(self) -> set[int]:
        """The rows that something has died at."""
        return {int(number) for number in self._deaths}

    def clear(self) -> None:
        """Forget all: the run is over, or was stopped by whoever began it."""
        if self._storage is not None:
            self._storage.remove(FILE)

    def _write(self) -> None:
        if self._storage is None:
            return
        told = {"drawing": sorted(self._drawing), "deaths": self._deaths, "ends": self._ends}
        self._storage.write(FILE, json.dumps(told).encode())


def deaths_said(count: int) -> str:
    """Why a row is not tried again that brought down what drew it."""
    return f"what drew it died {count} times"


def _read(storage: Storage) -> dict[str, Any]:
    data = storage.read(FILE)
    try:
        found = json.loads(data) if data else _NOTHING
    except ValueError:
        return _NOTHING
    told = cast("dict[str, Any]", found)
    return told if _NOTHING.keys() == told.keys() else _NOTHING
