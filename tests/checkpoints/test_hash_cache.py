"""Hashes of model files are computed once."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from kakusan.checkpoints.facts import old_hash_of
from kakusan.checkpoints.hash_cache import HashCache, cache_file
from kakusan.errors import InputError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"weights" * 1000)
    return path


def test_a_file_is_read_once(tmp_path: Path, file: Path) -> None:
    kept, told = tmp_path / "a" / "b" / "hashes.json", list[float]()
    first = HashCache(kept)
    assert not first.knows(file)
    hashes = first.of(file, told.append)
    assert hashes["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert told[-1] == 1
    second = HashCache(kept)
    assert second.knows(file)
    told.clear()
    assert second.of(file, told.append) == hashes
    assert told == []


def test_an_adapter_has_one_hash_more(tmp_path: Path) -> None:
    path = tmp_path / "lora.safetensors"
    save_file({"lora_unet_x.lora_up.weight": np.zeros((2, 2), np.float32)}, path)
    hashes = HashCache(tmp_path / "hashes.json").of(path)
    assert HashCache(tmp_path / "hashes.json").knows(path)
    assert old_hash_of(path) == hashes["old hash"]


def test_a_file_that_changed_is_read_again(tmp_path: Path, file: Path) -> None:
    cache = HashCache(tmp_path / "hashes.json")
    before = cache.of(file)
    file.write_bytes(b"Weights" * 1000)
    os.utime(file, ns=(1, 1))
    assert not cache.knows(file)
    assert cache.of(file) != before


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "[" * 100_000, '{"1 1 x": {}}', '{"1 1 x": {"sha256": 3}}', "\0", "null"],
)
def test_whatever_is_kept_does_no_harm(tmp_path: Path, file: Path, text: str) -> None:
    kept = tmp_path / "hashes.json"
    kept.write_text(text)
    assert HashCache(kept).of(file)["old hash"]
    assert len(json.loads(kept.read_text())) == 1


def test_two_programs_keep_what_both_found(tmp_path: Path, file: Path) -> None:
    other = tmp_path / "other.safetensors"
    other.write_bytes(b"x")
    one, two = (HashCache(tmp_path / "hashes.json") for _ in range(2))
    one.of(file)
    two.of(other)
    assert len(json.loads((tmp_path / "hashes.json").read_text())) == 2


def test_what_cannot_be_kept_is_still_told(tmp_path: Path, file: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    assert HashCache(tmp_path / "taken" / "hashes.json").of(file)["hash"]
    with pytest.raises(InputError, match=r"no\.safetensors"):
        HashCache(tmp_path / "hashes.json").of(tmp_path / "no.safetensors")


def test_where_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KAKUSAN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert cache_file() == Path("/x/kakusan/hashes.json")
    monkeypatch.setenv("KAKUSAN_CACHE", "/y")
    assert cache_file() == Path("/y/hashes.json")
