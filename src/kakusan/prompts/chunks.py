"""Tokens in chunks of 75, as AUTOMATIC1111 cuts a text that is longer than an encoder takes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from kakusan.errors import RequestError

CHUNK = 75  # tokens between the begin and the end token
BACKTRACK = 20  # how far back a comma is looked for


class Piece(NamedTuple):
    """Token ids that stay together, with their weight: one, or the places of an embedding.

    Without ids it is BREAK, which closes a chunk.
    """

    ids: tuple[int, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class Chunk:
    """At most 75 token ids and the weight of each, without begin, end and padding."""

    ids: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()


@dataclass
class _Filling:
    """The chunk that is being filled, and those that are full."""

    size: int
    done: list[Chunk] = field(default_factory=list[Chunk])
    ids: list[int] = field(default_factory=list[int])
    weights: list[float] = field(default_factory=list[float])
    comma: int | None = None  # where the chunk's last comma stands

    def close(self, length: int | None = None) -> None:
        """Begin the next chunk, with what stands behind `length` in this one."""
        self.done.append(Chunk(tuple(self.ids[:length]), tuple(self.weights[:length])))
        self.ids = [] if length is None else self.ids[length:]
        self.weights = [] if length is None else self.weights[length:]
        self.comma = None

    def add(self, piece: Piece) -> None:
        if len(self.ids) + len(piece.ids) > self.size:
            self.close()
        self.ids += piece.ids
        self.weights += [piece.weight] * len(piece.ids)


def chunks_of(
    pieces: Iterable[Piece], comma: int | None, *, size: int = CHUNK, backtrack: int = BACKTRACK
) -> tuple[Chunk, ...]:
    """Cut tokens into chunks; at least one, which may be empty.

    Where a full chunk would be cut in a word, and a comma stands in its last `backtrack` places,
    what follows that comma goes to the next chunk. A comma that does not fit begins the next
    chunk itself, and is not looked back to.

    Args:
        comma: the token id of a comma; None where the vocabulary has none.

    Raises:
        RequestError: An embedding has more places than a chunk.
    """
    filling = _Filling(size)
    for piece in pieces:
        if not piece.ids:
            filling.close()
            continue
        if len(piece.ids) > size:
            raise RequestError(
                f"an embedding has {len(piece.ids)} vectors; a prompt has room for {size} in one"
            )
        full = len(filling.ids) == size
        if piece.ids == (comma,):
            if full:
                filling.close()
                filling.add(piece)
                continue
            filling.comma = len(filling.ids)
        elif full and filling.comma is not None and size - filling.comma <= backtrack:
            filling.close(filling.comma + 1)
        filling.add(piece)
    if filling.ids or not filling.done:
        filling.close()
    return tuple(filling.done)
