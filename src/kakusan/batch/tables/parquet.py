"""Parquet, by the extra `parquet`: read in batches, so that no file is too long."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kakusan.batch.tables.table import Survey, hash_of
from kakusan.errors import InputError, shown_path

_BATCH = 1024  # rows


@dataclass(frozen=True)
class ParquetTable:
    """A Parquet file."""

    path: Path

    def survey(self) -> Survey:
        with _opened(self.path) as file:
            schema = file.schema_arrow
            kinds = {name: _kind(schema.field(name).type) for name in schema.names}
            return Survey(kinds, file.metadata.num_rows, hash_of(self.path))

    def rows(self) -> Iterator[dict[str, Any]]:
        import pyarrow as pa

        with _opened(self.path) as file:
            schema = file.schema_arrow
            columns = [n for n in schema.names if _kind(schema.field(n).type) != "bytes"]
            try:
                for batch in file.iter_batches(batch_size=_BATCH, columns=columns):
                    yield from batch.to_pylist()
            except (pa.ArrowException, OSError) as error:
                raise InputError(f"{shown_path(self.path)} is broken: {error}") from None


def _opened(path: Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.ParquetFile(path, pre_buffer=False)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{shown_path(path)} cannot be read as Parquet: {error}") from None


def _kind(of: Any) -> str:
    """What stands in a column of this type."""
    from pyarrow import types

    if types.is_dictionary(of):
        return _kind(of.value_type)
    if _holds_bytes(of):
        return "bytes"
    if types.is_string(of) or types.is_large_string(of) or types.is_string_view(of):
        return "text"
    if types.is_temporal(of) or types.is_decimal(of):
        return "text"
    if types.is_boolean(of):
        return "truth"
    if types.is_integer(of):
        return "count" if types.is_uint64(of) else "whole"
    return "number" if types.is_floating(of) else "json"


def _holds_bytes(of: Any) -> bool:
    """Whether there are bytes in it, at whatever depth."""
    from pyarrow import types

    binary = (types.is_binary, types.is_large_binary, types.is_fixed_size_binary)
    if any(is_such(of) for is_such in (*binary, types.is_binary_view)):
        return True
    return any(_holds_bytes(of.field(index).type) for index in range(of.num_fields))
