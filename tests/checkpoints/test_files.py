"""Reading JSON strictly; writing files whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from kakusan.checkpoints.files import atomic, read_json, write_bytes, write_json, write_text
from kakusan.errors import CheckpointError, OutputError


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1,}', "line 1, column"),
        ('{\n "a": 1\n "b": 2}', "line 3, column 2"),
        ("", "line 1, column 1"),
        ("[1]", "object, not [1]"),
        ("[" * 100_000, "nested too deep"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
    ],
)
def test_broken_json_is_named_with_its_place(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(CheckpointError) as caught:
        read_json(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="does not exist"):
        read_json(tmp_path / "absent.json")
    with pytest.raises(CheckpointError, match="is a folder"):
        read_json(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'{"a": "\xe9"}')
    with pytest.raises(CheckpointError, match="not UTF-8 text: byte 7"):
        read_json(tmp_path / "latin.json")
    with (tmp_path / "huge.json").open("wb") as file:
        file.truncate(2**33)
    with pytest.raises(CheckpointError, match="8589934592 bytes"):
        read_json(tmp_path / "huge.json")


def test_json_round_trips_and_a_byte_order_mark_is_no_matter(tmp_path: Path) -> None:
    value = {"b": [1, 2.5, None, True], "a": {"é": "日本"}}
    write_json(tmp_path / "new" / "config.json", value)
    assert read_json(tmp_path / "new" / "config.json") == value
    path = tmp_path / "bom.json"
    path.write_bytes(b"\xef\xbb\xbf{}")
    assert read_json(path) == {}


def test_a_written_file_has_the_permissions_that_any_new_file_has(tmp_path: Path) -> None:
    write_bytes(tmp_path / "ours", b"x")
    (tmp_path / "plain").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ours", "plain")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
def test_an_error_while_writing_leaves_the_old_file(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_and_fail() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_and_fail()
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, call, full)
    with pytest.raises(OutputError, match=r"cannot write .*file: No space left on device"):
        write_text(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_is_really_full(tmp_path: Path) -> None:
    path = tmp_path / "file"

    def write() -> None:
        with atomic(path), open("/dev/full", "wb") as full:
            full.write(b"x")

    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_tensors_that_find_no_room(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    path = tmp_path / "file.safetensors"
    path.write_text("old")

    def write() -> None:
        with atomic(path) as temporary:
            save_file({"a": torch.zeros(100_000)}, temporary)

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"cannot write .*file\.safetensors: .*too large"):
            write()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot write"):
        write_text(tmp_path / "file" / "inner" / "name", "text")
    with pytest.raises(OutputError, match="cannot write"):
        write_text(Path("/proc/kakusan/name"), "text")


def test_the_longest_file_name_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("n" * 255), "text")
    assert [entry.name for entry in tmp_path.iterdir()] == ["n" * 255]
    with pytest.raises(OutputError, match="File name too long"):
        write_text(tmp_path / ("n" * 256), "text")
