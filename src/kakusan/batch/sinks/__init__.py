"""How finished pictures are laid out: as files, or in shards of many."""

from kakusan.batch.sinks.opening import FOLDER as FOLDER
from kakusan.batch.sinks.opening import FORMATS as FORMATS
from kakusan.batch.sinks.opening import Layout as Layout
from kakusan.batch.sinks.opening import open_sink as open_sink
from kakusan.batch.sinks.sink import MANIFEST as MANIFEST
from kakusan.batch.sinks.sink import Sink as Sink

__all__ = ["FOLDER", "FORMATS", "MANIFEST", "Layout", "Sink", "open_sink"]
