"""Pictures as files, and `metadata.jsonl` beside them, as Hugging Face `datasets` reads it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from kakusan.batch.record import line_of
from kakusan.batch.row import SUCCESS
from kakusan.batch.sinks.sink import MANIFEST
from kakusan.batch.storage import Storage

METADATA = "metadata.jsonl"
# What a manifest says of a run, not of a picture
_OF_THE_RUN = (*("row", "status", "error_message", "picture", "pictures", "file", "sha256"),)


class FolderSink:
    """Each picture is a file of its own.

    Args:
        kinds: of what stands in columns that are carried along; what is no plain value is JSON in a
            text of the metadata, whose columns hold values of one kind.
    """

    def __init__(self, storage: Storage, kinds: Mapping[str, str]) -> None:
        self._storage = storage
        self._texts = {name for name, kind in kinds.items() if kind == "json"}

    def picture(self, stem: str) -> str:
        return f"{stem}.png"

    def file_of(self, stem: str) -> str:
        return f"{stem}.png"

    def take(self, record: Mapping[str, Any]) -> None:
        """It is where it belongs."""

    def finish(self, *, complete: bool) -> None:  # noqa: ARG002  half a folder is one, too
        with self._storage.writing(METADATA) as path, path.open("wb") as file:
            for line in self._storage.lines(MANIFEST):
                record = json.loads(line)
                if record["status"] == SUCCESS:
                    file.write(line_of(self._metadata(record)))

    def _metadata(self, record: Mapping[str, Any]) -> dict[str, Any]:
        told = {name: value for name, value in record.items() if name not in _OF_THE_RUN}
        for name in self._texts:
            told[name] = None if told[name] is None else json.dumps(told[name])
        return {"file_name": record["file"], **told}

    def samples(
        self, records: Iterable[Mapping[str, Any]]
    ) -> Iterator[tuple[Mapping[str, Any], bytes]]:
        for record in records:
            if record["status"] == SUCCESS:
                yield record, self._storage.read(record["file"]) or b""
            else:
                yield record, b""
