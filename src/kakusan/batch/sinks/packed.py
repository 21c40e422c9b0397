"""Pictures in shards: files of so many, which are written when that many are there."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from kakusan.batch.record import stem_in
from kakusan.batch.row import SUCCESS
from kakusan.batch.storage import STATE, Storage
from kakusan.errors import InputError, shown, shown_path

Sample = tuple[Mapping[str, Any], bytes]
_WAITING = f"{STATE}/pictures"


class PackedSink(ABC):
    """Pictures wait as files of their own until their shard is full.

    Args:
        size: how many pictures there are in each but the last.
    """

    suffix: ClassVar[str]

    def __init__(self, storage: Storage, size: int) -> None:
        self._storage, self._size = storage, size
        self._named = self._taken = 0
        self._waiting: list[Mapping[str, Any]] = []
        self._left = storage.names(_WAITING)  # by the run before
        self._shards = {name for name in storage.names() if name.endswith(self.suffix)}

    @abstractmethod
    def pack(self, path: Path, samples: Iterator[Sample]) -> None:
        """Write a shard: the same samples make the same bytes."""

    @abstractmethod
    def unpack(self, path: Path) -> Iterator[bytes]:
        """The pictures in a shard, in order."""

    def picture(self, stem: str) -> str:
        return f"{_WAITING}/{stem}.png"

    def file_of(self, stem: str) -> str:
        del stem
        name = self._shard(self._named)
        self._named += 1
        return name

    def _shard(self, number: int) -> str:
        return f"{number // self._size:05d}{self.suffix}"

    def take(self, record: Mapping[str, Any]) -> None:
        if record["status"] != SUCCESS:
            return
        self._waiting.append(record)
        self._taken += 1
        self._named = max(self._named, self._taken)
        if len(self._waiting) == self._size:
            self._write()

    def finish(self, *, complete: bool) -> None:
        if complete and self._waiting:
            self._write()

    def _write(self) -> None:
        name = self._shard(self._taken - 1)
        stems = [stem_in(record) for record in self._waiting]
        if name not in self._shards:
            with self._storage.writing(name) as path:
                self.pack(path, self._samples(stems))
            self._left.update(f"{stem}.png" for stem in stems)
        for stem in stems:
            if f"{stem}.png" in self._left:
                self._storage.remove(self.picture(stem))
                self._left.discard(f"{stem}.png")
        self._waiting.clear()

    def _samples(self, stems: Iterable[str]) -> Iterator[Sample]:
        for record, stem in zip(self._waiting, stems, strict=True):
            data = self._storage.read(self.picture(stem))
            if data is None:
                raise InputError(
                    f"{shown(self.picture(stem))} is gone from {shown_path(self._storage.where)}, "
                    "and its shard is not written yet; begin in a new folder"
                )
            yield record, data

    def samples(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Sample]:
        at, pictures = "", iter(())
        with ExitStack() as shard:
            for record in records:
                if record["status"] != SUCCESS:
                    yield record, b""
                    continue
                if record["file"] != at:
                    shard.close()
                    at = record["file"]
                    pictures = self.unpack(shard.enter_context(self._storage.opened(at)))
                yield record, next(pictures)
