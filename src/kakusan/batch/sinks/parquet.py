"""Parquet files with the bytes of pictures in them, as Hugging Face `datasets` has pictures."""

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from kakusan.batch.record import stem_in
from kakusan.batch.sinks.packed import PackedSink, Sample
from kakusan.batch.storage import Storage

_GROUP = 100  # pictures of a row group
_KINDS = {
    **dict.fromkeys(("row", "seed"), "count"),
    **dict.fromkeys(("width", "height", "picture", "pictures"), "whole"),
}


class ParquetSink(PackedSink):
    """`00000.parquet` has a row for each picture: the manifest's columns, and `image`.

    Args:
        kinds: of what stands in columns that are carried along, by their names in the manifest;
            what is no plain value is JSON in a text.
    """

    suffix: ClassVar[str] = ".parquet"

    def __init__(self, storage: Storage, size: int, kinds: Mapping[str, str]) -> None:
        super().__init__(storage, size)
        self._kinds = {**_KINDS, **kinds}

    def pack(self, path: Path, samples: Iterator[Sample]) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        first = next(samples)
        schema = pa.schema([("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())]))])
        for name in first[0]:
            schema = schema.append(pa.field(name, self._type(name)))
        every = itertools.chain([first], samples)
        with parquet.ParquetWriter(path, schema) as writer:
            while group := list(itertools.islice(every, _GROUP)):
                rows = [self._row(*sample) for sample in group]
                writer.write_table(pa.Table.from_pylist(rows, schema))

    def unpack(self, path: Path) -> Iterator[bytes]:
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_GROUP, columns=["image"]):
                yield from (each["image"]["bytes"] for each in batch.to_pylist())

    def _row(self, record: Mapping[str, Any], data: bytes) -> dict[str, Any]:
        picture = {"bytes": data, "path": f"{stem_in(record)}.png"}
        return {"image": picture, **{n: self._value(n, each) for n, each in record.items()}}

    def _value(self, name: str, value: Any) -> Any:
        if value is None:
            return None
        kind = self._kinds.get(name, "text")
        if kind == "json":
            return json.dumps(value)
        if kind == "number":
            return float(value)
        return value.encode("utf-8", "backslashreplace").decode() if kind == "text" else value

    def _type(self, name: str) -> Any:
        import pyarrow as pa

        kinds = {
            "count": pa.uint64(),
            "whole": pa.int64(),
            "number": pa.float64(),
            "truth": pa.bool_(),
        }
        return kinds.get(self._kinds.get(name, "text"), pa.string())
