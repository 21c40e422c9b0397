"""Captions as another text encoder reads them, for a new one to read them alike.

A UNet attends to the states of the text encoder that it learnt with, and to those of no other. One
with a larger vocabulary learns to give the same states where both know a caption, so that the UNet
goes on with all that it can draw (distillation, arXiv:1503.02531, of states in place of answers).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from kakusan.models import CLIPTextModel
from kakusan.text import CLIPTokenizer

_AT_A_TIME = 256


@dataclass(frozen=True)
class Examples:
    """What tokens of captions are read as.

    Attributes:
        ids: as the new tokenizer reads the captions, shape (captions, tokens).
        states: of the other encoder at the same places, float16 (captions, tokens, width).
        shared: at which tokens both tokenizers end a piece, bool (captions, tokens).
    """

    ids: Tensor
    states: Tensor
    shared: Tensor

    @classmethod
    def of(
        cls,
        captions: Sequence[str],
        tokenizer: CLIPTokenizer,
        known: CLIPTokenizer,
        text_encoder: CLIPTextModel,
        *,
        tokens: int,
    ) -> Self:
        """What `text_encoder`, with its tokenizer `known`, reads in captions.

        Args:
            captions: of objects that it knows, short enough for it.
            tokenizer: of the encoder that shall read alike.
            tokens: of each caption, with padding; the rest is left out.
        """
        pairs = [_pairs(caption, tokenizer, known, tokens) for caption in captions]
        where = torch.zeros(len(captions), tokens, dtype=torch.long)
        shared = torch.zeros(len(captions), tokens, dtype=torch.bool)
        for row, found in enumerate(pairs):
            for mine, theirs in found.items():
                where[row, mine], shared[row, mine] = theirs, True
        read = torch.cat(
            [
                _states(text_encoder, known.encode_prompts(captions[begin : begin + _AT_A_TIME]))
                for begin in range(0, len(captions), _AT_A_TIME)
            ]
        )
        states = read.gather(1, where[..., None].expand(-1, -1, read.shape[-1]))
        return cls(tokenizer.encode_prompts(list(captions))[:, :tokens], states, shared)

    def to(self, device: torch.device) -> "Examples":
        """The same on a device."""
        return Examples(self.ids.to(device), self.states.to(device), self.shared.to(device))

    def error(self, text_encoder: CLIPTextModel, count: int, draw: torch.Generator) -> Tensor:
        """How far the encoder's states are from these, of the variance of these.

        Args:
            text_encoder: that learns.
            count: of captions that are read for it.
            draw: decides which, on the device of the examples.
        """
        rows = torch.randint(len(self.ids), (count,), generator=draw, device=self.ids.device)
        shared, wanted = self.shared[rows], self.states[rows].float()
        errors = (text_encoder(self.ids[rows])[0].float() - wanted)[shared]
        return errors.square().mean() / wanted[shared].var()


def _pairs(
    caption: str, tokenizer: CLIPTokenizer, known: CLIPTokenizer, tokens: int
) -> dict[int, int]:
    """The tokens of the one at which the other ends a token too, with the other's; padding too."""
    mine, theirs = ([end for _, (_, end) in each.pieces(caption)] for each in (tokenizer, known))
    at = {end: place + 1 for place, end in enumerate(theirs)}
    found = {0: 0} | {place + 1: at[end] for place, end in enumerate(mine) if end in at}
    found |= {
        len(mine) + 1 + more: len(theirs) + 1 + more
        for more in range(max(tokens - len(mine), 0))  # the end, and what is padded with it
    }
    room = known.model_max_length
    return {place: other for place, other in found.items() if place < tokens and other < room}


@torch.no_grad()
def _states(text_encoder: CLIPTextModel, ids: Tensor) -> Tensor:
    return text_encoder(ids.to(text_encoder.device))[0].half().cpu()
