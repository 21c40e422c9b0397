"""Tokens that a text encoder was taught one by one (textual inversion), beside its own table."""

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class LearntTokens:
    """Embeddings of tokens that are looked up beside a table, which is not copied for them.

    Attributes:
        first: the id of the first of them; the others follow. Ids from here on are these tokens',
            whatever the table has there.
        vectors: of each, shape (n, width).
        tokens: by which a tokenizer knows them, as far as one does.
        may_end: whether encoders that take a text's largest id for its end may take one of these
            for it, as in the reference library. Other tools never do.
    """

    first: int
    vectors: Tensor
    tokens: tuple[str, ...] = ()
    may_end: bool = True

    @property
    def stop(self) -> int:
        """The id after the last one."""
        return self.first + len(self.vectors)

    def __contains__(self, token: str) -> bool:
        return token in self.tokens

    def and_then(self, vectors: Tensor, tokens: tuple[str, ...] = ()) -> Self:
        """With more of them behind."""
        both = torch.cat([self.vectors, vectors.to(self.vectors)])
        return type(self)(self.first, both, (*self.tokens, *tokens), self.may_end)

    def looked_up(self, ids: Tensor, table: nn.Embedding) -> Tensor:
        """The embeddings (batch, tokens, width) of ids (batch, tokens)."""
        learnt = ids >= self.first
        known = table(ids.masked_fill(learnt, 0))
        vectors = self.vectors.to(known)
        at = (ids - self.first).clamp(0, len(vectors) - 1)
        return torch.where(learnt[..., None], vectors[at], known)
