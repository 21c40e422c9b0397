"""What a run is of: a folder holds one, and is not begun again with another."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from kakusan.batch.sinks import MANIFEST
from kakusan.batch.storage import STATE, Storage
from kakusan.errors import InputError, shown_path

RUN = f"{STATE}/run.json"
_VERSION = 1
# What is there before a row is drawn
_OF_NO_ROW = frozenset(("run.json", "attempts.json", "queue.json", "new"))
_WORDS = {
    "table": "another table",
    "model": "another model",
    "settings": "other settings",
    "run_seed": "another --run-seed",
    "shard": "another --shard",
    "format": "another --format",
    "shard_size": "another --shard-size",
    "together": "another --together",
    "wildcards": "other --wildcards",
}


@dataclass(frozen=True, kw_only=True)
class Identity:
    """All that decides what is in a folder in the end.

    Attributes:
        table: its SHA-256.
        rows: how many it has.
        model: the hash of the one that rows are drawn with which name none.
        settings: of rows that do not say them.
        kinds: of what stands in columns that are carried along.
    """

    table: str
    rows: int
    model: str
    settings: Mapping[str, Any]
    run_seed: int
    shard: str
    format: str
    shard_size: int
    together: int
    wildcards: list[str]
    kinds: Mapping[str, str]
    version: int = _VERSION

    @classmethod
    def read(cls, storage: Storage) -> "Identity | None":
        """That of the run in a folder; None where there is none.

        Raises:
            InputError: It is broken, or of another version.
        """
        data = storage.read(RUN)
        if data is None:
            return None
        try:
            return cls(**json.loads(data))
        except (ValueError, TypeError):
            raise InputError(
                f"{shown_path(storage.where)} holds a run that this version cannot go on with; "
                "begin in a new folder"
            ) from None

    def begin(self, storage: Storage) -> None:
        """See that a folder is of this run or empty, which makes it of this run.

        Raises:
            InputError: It is of another, or has other files.
        """
        found = Identity.read(storage)
        others = [name for name in storage.names() if not name.startswith(".")]
        if found is None and others:
            raise InputError(
                f"{shown_path(storage.where)} is no run's folder and not empty ({min(others)}); "
                "name a new one with -o"
            )
        if found is None or not (others or storage.names(STATE) - _OF_NO_ROW):
            storage.write(RUN, json.dumps(asdict(self), indent=2).encode() + b"\n")
            return
        own, other = asdict(self), asdict(found)
        differs = [words for name, words in _WORDS.items() if own[name] != other[name]]
        if differs or own != other:
            what = " and ".join(differs[:2]) or "another run"
            raise InputError(
                f"{shown_path(storage.where)} is of {what}; name a new folder with -o, or what "
                f"its {MANIFEST} was begun with"
            )
