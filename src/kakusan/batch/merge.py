"""Finished shards of one table to what an undivided run of it gives."""

import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from kakusan.batch.identity import Identity
from kakusan.batch.manifest import Manifest
from kakusan.batch.record import Record, is_last, stem_in
from kakusan.batch.row import SUCCESS
from kakusan.batch.shard import Shard
from kakusan.batch.sinks import MANIFEST, Layout, Sink, open_sink
from kakusan.batch.storage import Storage, open_storage
from kakusan.errors import InputError, listed, shown_path

Sample = tuple[Record, bytes]


def merge(folders: Sequence[str], output: str, told: Callable[[int, int], object]) -> Manifest:
    """Put the pictures and lines of shards into one folder, in the order of the table.

    Args:
        folders: of all shards, in any order.
        told: is told how many rows are there, and how many there are to be.

    Raises:
        InputError: They are not all shards of one table, or one is not finished.
    """
    for folder in folders:
        if folders.count(folder) > 1:
            raise InputError(f"{shown_path(folder)} is named twice")
    with ExitStack() as held:
        shards = [_held(held, folder, new=False) for folder in folders]
        whole = _whole(shards)
        target = _held(held, output, new=True)
        whole.begin(target)
        layout = Layout(whole.format, whole.shard_size, whole.kinds)
        sink = open_sink(layout, target)
        manifest = Manifest(target, sink)
        manifest.resume()
        each = [_samples(shard, open_sink(layout, shard)) for shard in shards]
        merged = heapq.merge(
            *each, key=lambda sample: (sample[0]["row"], sample[0]["picture"] or 0)
        )
        _write(_rows(merged), manifest, target, sink, whole.rows, told)
        return manifest


def _held(held: ExitStack, folder: str, *, new: bool) -> Storage:
    storage = open_storage(folder, new=new)
    held.callback(storage.close)
    return storage


def _whole(shards: Sequence[Storage]) -> Identity:
    """The run that these are the shards of."""
    found: dict[str, Identity] = {}
    for shard in shards:
        identity = Identity.read(shard)
        if identity is None:
            raise InputError(f"{shown_path(shard.where)} is no run's folder")
        if identity.shard in found:
            raise InputError(f"two of the folders are of shard {identity.shard}; name each once")
        found[identity.shard] = identity
    wholes = [replace(each, shard=str(Shard())) for each in found.values()]
    if any(each != wholes[0] for each in wholes):
        raise InputError("the folders are of different runs; merge shards of one table")
    count = int(next(iter(found)).partition("/")[2])
    missing = {str(Shard(index, count)) for index in range(count)} - found.keys()
    if missing:
        raise InputError(f"of {count} shards these are missing: {listed(missing)}")
    return wholes[0]


def _samples(storage: Storage, sink: Sink) -> Iterator[Sample]:
    records: Iterator[Any] = (json.loads(line) for line in storage.lines(MANIFEST))
    yield from ((dict(record), data) for record, data in sink.samples(records))


def _rows(samples: Iterator[Sample]) -> Iterator[list[Sample]]:
    held: list[Sample] = []
    for sample in samples:
        held.append(sample)
        if is_last(sample[0]):
            yield held
            held = []


def _write(
    rows: Iterator[list[Sample]],
    manifest: Manifest,
    target: Storage,
    sink: Sink,
    count: int,
    told: Callable[[int, int], object],
) -> None:
    begun = manifest.rows
    for number, row in enumerate(rows):
        if row[0][0]["row"] != number:
            raise _unfinished(number)
        if number < begun:
            continue
        records: list[Record] = []
        for record, data in row:
            if record["status"] == SUCCESS:
                stem = stem_in(record)
                target.write(sink.picture(stem), data)
                record = {**record, "file": sink.file_of(stem)}
            records.append(record)
        manifest.tell_records(records)
        told(number + 1, count)
    manifest.flush()
    if manifest.rows != count:
        raise _unfinished(manifest.rows)
    manifest.finish(complete=True)


def _unfinished(number: int) -> InputError:
    return InputError(
        f"row {number} is in none of the folders; let the shards finish, then merge them"
    )
