"""Layouts by their names."""

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass

from kakusan.batch.sinks.folder import FolderSink
from kakusan.batch.sinks.packed import PackedSink
from kakusan.batch.sinks.parquet import ParquetSink
from kakusan.batch.sinks.sink import Sink
from kakusan.batch.sinks.webdataset import WebDatasetSink
from kakusan.batch.storage import Storage
from kakusan.errors import InputError, shown

FOLDER = "folder"
FORMATS = (FOLDER, "webdataset", "parquet")


@dataclass(frozen=True)
class Layout:
    """How pictures are laid out.

    Attributes:
        format: one of `FORMATS`.
        size: pictures of a shard; of no meaning in a folder.
        kinds: of what stands in each carried column.

    Raises:
        InputError: There is no such format, or what writes it is not installed.
    """

    format: str
    size: int
    kinds: Mapping[str, str]

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InputError(
                f"--format must be one of {', '.join(FORMATS)}, not {shown(self.format)}"
            )
        if self.format == "parquet" and importlib.util.find_spec("pyarrow") is None:
            raise InputError(
                'Parquet needs pyarrow, which is not installed: pip install "kakusan[parquet]"'
            )


def open_sink(layout: Layout, storage: Storage) -> Sink:
    """What lays pictures out in a storage."""
    if layout.format == FOLDER:
        return FolderSink(storage, layout.kinds)
    sink: PackedSink = WebDatasetSink(storage, layout.size)
    return ParquetSink(storage, layout.size, layout.kinds) if layout.format == "parquet" else sink
