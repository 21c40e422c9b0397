"""From texts with weights to the states of one text encoder, by the rules of each tool."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from kakusan.conditioning.emphasis import emphasized
from kakusan.conditioning.reader import Reader
from kakusan.prompts import Segment, Timed
from kakusan.prompts.chunks import Chunk, Piece, chunks_of

LARGE = 8  # tokens, from which on ComfyUI parts a stretch
EMPTY = Chunk()


class Dialect(ABC):
    """How a tool cuts long texts, and what weights do to their states."""

    @abstractmethod
    def chunks(self, text: Timed, reader: Reader) -> Sequence[Chunk]:
        """A text in chunks; at least one, which may be empty."""

    @abstractmethod
    def encode(
        self, texts: Sequence[Timed], counts: Sequence[int], reader: Reader, least: int = 1
    ) -> list[Tensor]:
        """The states (1, places, width) of texts of one schedule, all of one length.

        Args:
            counts: how often each of them stands in the schedule.
            least: how many chunks they have at least; those behind a text's own are empty.
        """

    def pooled(self, text: Timed, whole: str, reader: Reader) -> Tensor | None:
        """What the encoder says of a whole text: of its first chunk, without weights.

        Args:
            whole: the prompt that the text is of, as it was written.
        """
        del whole
        return reader.read(self.chunks(text, reader)[0].ids).pooled

    def _places(self, texts: Sequence[Timed], reader: Reader, least: int) -> Iterator[list[Chunk]]:
        """The chunks of all texts that stand at the first place, at the second, and so on."""
        cut = [self.chunks(text, reader) for text in texts]
        for place in range(max(least, *(len(each) for each in cut))):
            yield [each[place] if place < len(each) else EMPTY for each in cut]


class Webui(Dialect):
    """AUTOMATIC1111's: the comma rule, BREAK, and states that are multiplied by their weights."""

    def __init__(self, emphasis: str = "Original") -> None:
        self.emphasis = emphasis

    def chunks(self, text: Timed, reader: Reader) -> Sequence[Chunk]:
        literal = self.emphasis == "None"
        segments = (Segment(text.text),) if literal else text.segments
        pieces: list[Piece] = []
        for segment in segments:
            if segment.is_break and not literal:
                pieces.append(Piece(()))
            else:
                pieces += [Piece(ids, segment.weight) for ids in reader.pieces(segment.text)]
        return chunks_of(pieces, reader.comma, size=reader.room)

    def encode(
        self, texts: Sequence[Timed], counts: Sequence[int], reader: Reader, least: int = 1
    ) -> list[Tensor]:
        parts: list[Tensor] = []
        for chunks in self._places(texts, reader, least):
            states = torch.cat([reader.read(chunk.ids).states for chunk in chunks])
            rows = [row_of(chunk, states.shape[1]) for chunk in chunks]
            parts.append(emphasized(states, rows, self.emphasis, counts))
        return list(torch.cat(parts, dim=1).split(1))


class Comfy(Dialect):
    """ComfyUI's: few words of one weight stay together, and weights move states away from those of
    an empty text."""

    def chunks(self, text: Timed, reader: Reader) -> Sequence[Chunk]:
        found, ids, weights = list[Chunk](), list[int](), list[float]()
        for segment in text.segments:
            for stretch in _stretches(segment.text, reader):
                done = 0
                while done < len(stretch):
                    room, left = reader.room - len(ids), len(stretch) - done
                    fits = left <= room
                    taken = left if fits else room if len(stretch) >= LARGE else 0
                    ids += stretch[done : done + taken]
                    weights += [segment.weight] * taken
                    done += taken
                    if not fits:
                        found.append(Chunk(tuple(ids), tuple(weights)))
                        ids, weights = [], []
        return [*found, Chunk(tuple(ids), tuple(weights))]

    def encode(
        self, texts: Sequence[Timed], counts: Sequence[int], reader: Reader, least: int = 1
    ) -> list[Tensor]:
        del counts
        parts = [
            torch.cat([from_empty(chunk, reader) for chunk in chunks])
            for chunks in self._places(texts, reader, least)
        ]
        return list(torch.cat(parts, dim=1).split(1))


def from_empty(chunk: Chunk, reader: Reader, unseen: Sequence[int] = ()) -> Tensor:
    """The states (1, places, width) of a chunk, moved from an empty text's by their weights."""
    states = reader.read(chunk.ids, unseen).states
    row = row_of(chunk, states.shape[1])
    if all(weight == 1.0 for weight in row):
        return states
    weights = torch.tensor(row, dtype=torch.float32, device=states.device)[None, :, None]
    plain, empty = states.float(), reader.read(()).states.float()
    moved = (plain - empty) * weights + empty
    return torch.where(weights == 1.0, plain, moved).to(states.dtype)


def row_of(chunk: Chunk, places: int) -> list[float]:
    """The weights of all places of a chunk: begin, end and padding have none."""
    return [1.0, *chunk.weights, *[1.0] * (places - 1 - len(chunk.weights))]


def _stretches(text: str, reader: Reader) -> list[tuple[int, ...]]:
    """The tokens of each learnt word, and of what stands before, between and behind them."""
    first = len(reader.tokenizer.without_learnt)
    plain: list[int] = []
    stretches: list[tuple[int, ...]] = []
    for ids in reader.pieces(text):
        if ids[0] < first:
            plain += ids
            continue
        stretches += [tuple(plain), ids] if plain else [ids]
        plain = []
    return [*stretches, tuple(plain)] if plain else stretches
