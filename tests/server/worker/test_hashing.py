"""Large files are hashed beside the work, those that come while it runs as well."""

from pathlib import Path

import pytest

from kakusan.checkpoints.hash_cache import HashCache
from kakusan.server.worker import entries
from kakusan.server.worker.catalog import Catalog
from tests.server.worker.conftest import Bench, Until


def test_files_that_come_later_are_hashed_too(
    bench: Bench, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "_SMALL", -1)
    folder = tmp_path / "loras"
    folder.mkdir()
    (folder / "first.safetensors").write_bytes(lora())
    bench.catalog = Catalog.of(loras=[folder], hashes=HashCache(tmp_path / "hashes.json"))
    assert bench.catalog.find("lora", "first").sha256 is None
    bench.start(hash_s=0.05)
    until(lambda: bench.catalog.find("lora", "first").sha256 is not None)
    (folder / "second.safetensors").write_bytes(lora())
    bench.catalog.refresh()
    until(lambda: bench.catalog.find("lora", "second").sha256 is not None)


def lora() -> bytes:
    """The least that is a file of tensors."""
    head = b"{}"
    return len(head).to_bytes(8, "little") + head
