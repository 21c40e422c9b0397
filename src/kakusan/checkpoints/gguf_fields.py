"""The named values at the beginning of a GGUF file: typed, little-endian, never trusted."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO, TypeAlias

from kakusan.errors import shown

MAX_DEPTH = 4  # arrays within arrays
# Items of an array that are kept; a vocabulary has more, and is stepped over
MAX_ITEMS = 1 << 16


class Kind(IntEnum):
    """What a value is, as files number it."""

    UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32 = range(7)
    BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = range(7, 13)


_CODES = {
    Kind.UINT8: "<B",
    Kind.INT8: "<b",
    Kind.UINT16: "<H",
    Kind.INT16: "<h",
    Kind.UINT32: "<I",
    Kind.INT32: "<i",
    Kind.FLOAT32: "<f",
    Kind.BOOL: "<B",
    Kind.UINT64: "<Q",
    Kind.INT64: "<q",
    Kind.FLOAT64: "<d",
}
Scalar: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Field:
    """One value with its type.

    Attributes:
        kind: what it is.
        value: of an array all its items; None for an array of more than `MAX_ITEMS`.
        items: what an array's items are.
    """

    kind: Kind
    value: "Scalar | tuple[Scalar | Field, ...] | None"
    items: Kind | None = None


class Malformed(Exception):  # noqa: N818
    """What is wrong with the bytes; who knows the file's name turns it into a `CheckpointError`."""


class Cursor:
    """Reads one thing after another, and never beyond the end.

    Args:
        file: at its beginning.
        size: how many bytes of it may be read.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file, self._size = file, size
        self.at = 0

    @property
    def left(self) -> int:
        """The bytes that have not been read."""
        return self._size - self.at

    def take(self, count: int) -> bytes:
        """The next bytes.

        Raises:
            Malformed: There are not as many.
        """
        found = self._file.read(count) if count <= self.left else b""
        if len(found) < count:
            raise Malformed("it ends within its header")
        self.at += count
        return found

    def number(self, code: str) -> int:
        """The next whole number, by its `struct` code."""
        return struct.unpack(code, self.take(struct.calcsize(code)))[0]

    def count(self, what: str, least_bytes: int) -> int:
        """A 64-bit count of things that take some bytes each.

        Raises:
            Malformed: So many cannot be in what is left.
        """
        found = self.number("<Q")
        if found * least_bytes > self.left:
            raise Malformed(f"it claims {shown(found)} {what}, more than its bytes can hold")
        return found

    def text(self, what: str) -> str:
        """A string with its length before it.

        Raises:
            Malformed: It is longer than what is left, or not UTF-8.
        """
        found = self.take(self.count(f"bytes of {what}", 1))
        try:
            return found.decode()
        except UnicodeDecodeError:
            raise Malformed(f"{what} is not UTF-8") from None


def read_fields(cursor: Cursor, count: int) -> dict[str, Field]:
    """The named values, in the order of the file.

    Raises:
        Malformed: They are cut short, of an unknown type, or named twice.
    """
    fields: dict[str, Field] = {}
    for _ in range(count):
        name = cursor.text("a key")
        if name in fields:
            raise Malformed(f"the key {shown(name)} is there twice")
        fields[name] = _read(cursor, _kind(cursor, name), name, MAX_DEPTH)
    return fields


def _kind(cursor: Cursor, name: str) -> Kind:
    number = cursor.number("<I")
    try:
        return Kind(number)
    except ValueError:
        raise Malformed(f"the value of {shown(name)} has the unknown type {number}") from None


def _read(cursor: Cursor, kind: Kind, name: str, depth: int) -> Field:
    if kind == Kind.ARRAY:
        return _read_array(cursor, name, depth)
    return Field(kind, _scalar(cursor, kind, name))


def _scalar(cursor: Cursor, kind: Kind, name: str) -> Scalar:
    if kind == Kind.STRING:
        return cursor.text(f"the value of {shown(name)}")
    number = cursor.number(_CODES[kind])
    return bool(number) if kind == Kind.BOOL else number


def _read_array(cursor: Cursor, name: str, depth: int) -> Field:
    if depth == 0:
        raise Malformed(f"the value of {shown(name)} has arrays nested too deep")
    items = _kind(cursor, name)
    # the fewest bytes of an item: its own, or a string's length, or an array's type and length
    size = struct.calcsize(_CODES[items]) if items in _CODES else 8
    count = cursor.count(f"items of {shown(name)}", size)
    if count > MAX_ITEMS:
        _step_over(cursor, items, count, name)
        return Field(Kind.ARRAY, None, items)
    if items == Kind.ARRAY:
        nested = tuple(_read_array(cursor, name, depth - 1) for _ in range(count))
        return Field(Kind.ARRAY, nested, items)
    return Field(Kind.ARRAY, tuple(_scalar(cursor, items, name) for _ in range(count)), items)


def _step_over(cursor: Cursor, items: Kind, count: int, name: str) -> None:
    if items in _CODES:
        cursor.take(count * struct.calcsize(_CODES[items]))
    elif items == Kind.STRING:
        for _ in range(count):
            cursor.take(cursor.count(f"bytes in {shown(name)}", 1))
    else:
        raise Malformed(f"the value of {shown(name)} is too long")


def text_bytes(text: str) -> bytes:
    """A string as files have it, its length before it."""
    encoded = text.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def field_bytes(field: Field) -> bytes:
    """A value with its type before it, as files have it."""
    return struct.pack("<I", field.kind) + _value_bytes(field)


def _value_bytes(field: Field) -> bytes:
    if field.kind != Kind.ARRAY:
        assert isinstance(field.value, Scalar)
        return _scalar_bytes(field.kind, field.value)
    assert isinstance(field.value, tuple)
    assert field.items is not None
    head = struct.pack("<IQ", field.items, len(field.value))
    return head + b"".join(_item_bytes(field.items, item) for item in field.value)


def _item_bytes(kind: Kind, item: Scalar | Field) -> bytes:
    return _value_bytes(item) if isinstance(item, Field) else _scalar_bytes(kind, item)


def _scalar_bytes(kind: Kind, value: Scalar) -> bytes:
    return text_bytes(str(value)) if kind == Kind.STRING else struct.pack(_CODES[kind], value)


def text_field(value: str) -> Field:
    """A string."""
    return Field(Kind.STRING, value)


def integers_field(values: Sequence[int]) -> Field:
    """An array of 32-bit integers, as shapes are written."""
    return Field(Kind.ARRAY, tuple(values), Kind.INT32)
