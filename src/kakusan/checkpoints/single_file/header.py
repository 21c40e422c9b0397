"""The header of a safetensors file: names, dtypes and shapes, read and checked without torch."""

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kakusan.checkpoints.regular import open_regular
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.errors import CheckpointError, InputError, shown, shown_path

MAX_HEADER = 100_000_000  # as safetensors' own reader has it
_ANY_SIZE = 2**62
_NAMES = {
    4: ("F4",),
    6: ("F6_E2M3", "F6_E3M2"),
    8: ("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"),
    16: ("I16", "U16", "F16", "BF16"),
    32: ("I32", "U32", "F32"),
    64: ("I64", "U64", "F64", "C64"),
}
_BITS = {name: bits for bits, names in _NAMES.items() for name in names}
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Header:
    """What a safetensors file says of itself.

    Attributes:
        entries: its tensors by name, in the order of their bytes.
        spans: where in the file each one's bytes begin and end.
        size: of the file in bytes.
    """

    entries: Mapping[str, Entry]
    spans: Mapping[str, tuple[int, int]]
    metadata: Mapping[str, str]
    size: int


def first_bytes(path: Path, count: int = 512) -> bytes:
    """How a file begins.

    Raises:
        CheckpointError: It is absent, no plain file, or may not be read.
    """
    try:
        with open_regular(path, most_bytes=_ANY_SIZE) as file:
            return file.read(count)
    except InputError as error:
        raise CheckpointError(f"{error}.") from None
    except OSError as error:
        raise CheckpointError(f"{shown_path(path)} cannot be read: {error.strerror}.") from None


def check_kind(path: Path, start: bytes) -> None:
    """Refuse what is often saved in a model's place.

    Raises:
        CheckpointError: The file is empty, a page of the web, or what git has for a large file.
    """
    where = shown_path(path)
    if not start:
        raise CheckpointError(f"{where} is empty; fetch it again.")
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<script")):
        raise CheckpointError(
            f"{where} is a page of the web, not a model: its site may want a login; fetch the file "
            "itself."
        )
    if start.startswith(_LFS):
        raise CheckpointError(
            f"{where} is git's pointer to a large file, not the file; run `git lfs pull`, or fetch "
            "it from its site."
        )


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file.

    Raises:
        CheckpointError: It is no safetensors file, or not a whole one.
    """
    where = shown_path(path)
    try:
        with open_regular(path, most_bytes=_ANY_SIZE) as file:
            start = file.read(512)
            check_kind(path, start)
            size = file.seek(0, 2)
            length = struct.unpack("<Q", start[:8])[0] if len(start) >= 8 else 0
            if not 2 <= length <= MAX_HEADER or start[8:9] != b"{":
                raise CheckpointError(_not_safetensors(where, start))
            if 8 + length > size:
                raise CheckpointError(_cut(where, size))
            file.seek(8)
            text = file.read(length)
    except InputError as error:
        raise (
            error if isinstance(error, CheckpointError) else CheckpointError(f"{error}.")
        ) from None
    except OSError as error:
        raise CheckpointError(f"{where} cannot be read: {error.strerror}.") from None
    return _parsed(where, text, 8 + length, size)


def _not_safetensors(where: str, start: bytes) -> str:
    if start[:4] == b"PK\x03\x04" or start[:1] == b"\x80":
        return (
            f"{where} is a pickle or a zip archive, not a safetensors file, and was not read; call "
            "it .ckpt if that is what it is."
        )
    if start[:4] == b"GGUF":
        return f"{where} is a GGUF file; call it .gguf."
    return f"{where} is not a safetensors file; fetch it again."


def _cut(where: str, size: int, wanted: int | None = None) -> str:
    of = "" if wanted is None else f" of {wanted}"
    return (
        f"{where} is not a whole safetensors file: it ends after {size}{of} bytes; fetch it again."
    )


def _parsed(where: str, text: bytes, begins: int, size: int) -> Header:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise CheckpointError(
            f"{where} is not a safetensors file: its header is no JSON."
        ) from None
    if not isinstance(value, dict):
        raise CheckpointError(f"{where} is not a safetensors file: its header is no object.")
    table = cast("dict[str, object]", value)
    metadata = table.pop("__metadata__", None) or {}
    found = {name: _entry(where, name, entry) for name, entry in table.items()}
    ordered = sorted(found.items(), key=lambda item: item[1][1])
    end = 0
    for name, (_, (first, last)) in ordered:
        if first != end:
            raise CheckpointError(f"{where} is broken: the bytes of {shown(name)} overlap others'.")
        end = last
    if begins + end != size:
        if begins + end > size:
            raise CheckpointError(_cut(where, size, begins + end))
        raise CheckpointError(
            f"{where} is broken: {size - begins - end} bytes follow its last tensor."
        )
    texts = cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {}
    return Header(
        entries={name: entry for name, (entry, _) in ordered},
        spans={name: (begins + a, begins + b) for name, (_, (a, b)) in ordered},
        metadata={key: each for key, each in texts.items() if isinstance(each, str)},
        size=size,
    )


def _entry(where: str, name: str, value: object) -> tuple[Entry, tuple[int, int]]:
    match value:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(first), int(last)]}:
            sizes = [each for each in shape if type(each) is int and each >= 0]
            bits = _BITS.get(dtype, 0)
            whole = len(sizes) == len(shape) and bits > 0 and first >= 0
            if whole and math.prod(sizes) * bits == 8 * (last - first):
                return Entry(dtype, tuple(sizes)), (first, last)
        case _:
            pass
    raise CheckpointError(f"{where} is broken: its header has {shown(value)} for {shown(name)}.")
