"""One text encoder as prompts in chunks are read with it."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from kakusan.engine import Computed
from kakusan.text import CLIPTokenizer

COMMA = ",</w>"
# Token ids that stay together, in the order of a text
Pieces = Sequence[tuple[int, ...]]
FindPieces = Callable[[CLIPTokenizer, str], Pieces] | None


class Read(NamedTuple):
    """What an encoder says of a chunk.

    Attributes:
        states: of all places, begin, end and padding too, shape (1, places, width).
        pooled: of the whole chunk, shape (1, width); None where the encoder has none.
    """

    states: Tensor
    pooled: Tensor | None = None


class Reader:
    """A text encoder, which encodes each distinct chunk once, and alone.

    Args:
        encode: gives what the encoder says of token ids (1, places), with a mask of the same shape
            or none, and whether it had to be upcast.
        pieces: the tokens of a text, those that are not to be parted together; one by one where
            not given.

    Attributes:
        notes: of what had to be upcast.
    """

    def __init__(
        self,
        tokenizer: CLIPTokenizer,
        encode: Callable[[Tensor, Tensor | None], tuple[Read, Computed]],
        pieces: FindPieces = None,
    ) -> None:
        self.tokenizer, self.notes = tokenizer, list[str]()
        self._encode, self._pieces = encode, pieces or _one_by_one
        self._known: dict[tuple[tuple[int, ...], tuple[int, ...]], Read] = {}
        self._of_text: dict[str, Pieces] = {}

    @property
    def room(self) -> int:
        """How many tokens a chunk holds between its begin and its end."""
        return self.tokenizer.model_max_length - 2

    @cached_property
    def comma(self) -> int | None:
        """The id of a comma."""
        return self.tokenizer.get_vocab().get(COMMA)

    def pieces(self, text: str) -> Pieces:
        """The tokens of a text, with those that are not to be parted together."""
        if text not in self._of_text:
            self._of_text[text] = self._pieces(self.tokenizer, text)
        return self._of_text[text]

    def read(self, ids: tuple[int, ...], unseen: Sequence[int] = ()) -> Read:
        """What the encoder says of a chunk of at most `room` ids.

        Args:
            unseen: the places among `ids` that no other place attends to.
        """
        key = (ids, tuple(unseen))
        if key not in self._known:
            places = torch.tensor([self._filled(ids)], dtype=torch.long, device="cpu")
            mask = None
            if unseen:
                mask = torch.ones_like(places)
                mask[0, [place + 1 for place in unseen]] = 0
            found, computed = self._encode(places, mask)
            if computed.note is not None and computed.note not in self.notes:
                self.notes.append(computed.note)
            self._known[key] = found
        return self._known[key]

    def _filled(self, ids: tuple[int, ...]) -> list[int]:
        """With begin, end and padding; what follows the first end token is padding, too."""
        own = self.tokenizer
        row = [own.bos_token_id, *ids, own.eos_token_id]
        row += [own.pad_token_id] * (own.model_max_length - len(row))
        if own.pad_token_id != own.eos_token_id:
            end = row.index(own.eos_token_id) + 1
            row[end:] = [own.pad_token_id] * (len(row) - end)
        return row


def _one_by_one(tokenizer: CLIPTokenizer, text: str) -> Pieces:
    return [(index,) for index, _ in tokenizer.pieces(text)]
