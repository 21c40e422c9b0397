"""Tar files as WebDataset reads them, named as img2dataset names them."""

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from kakusan.batch.record import line_of, stem_in
from kakusan.batch.sinks.packed import PackedSink, Sample


class WebDatasetSink(PackedSink):
    """`00000.tar` holds KEY.json, KEY.png and KEY.txt of each picture, and the next one follows."""

    suffix: ClassVar[str] = ".tar"

    def pack(self, path: Path, samples: Iterator[Sample]) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for record, data in samples:
                told = {"caption": record["prompt"], **record}
                text = str(record["prompt"]).encode("utf-8", "backslashreplace")
                parts = {"json": line_of(told).rstrip(b"\n"), "png": data, "txt": text}
                for kind, content in parts.items():
                    entry = tarfile.TarInfo(f"{stem_in(record)}.{kind}")  # nobody's, of no time
                    entry.size = len(content)
                    tar.addfile(entry, io.BytesIO(content))

    def unpack(self, path: Path) -> Iterator[bytes]:
        with tarfile.open(path, "r") as tar:
            for entry in tar:
                if entry.name.endswith(".png") and (file := tar.extractfile(entry)) is not None:
                    yield file.read()
