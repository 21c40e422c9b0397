"""Texts to the embeddings of SDXL's two text encoders, or of the refiner's one, the second.

The tokens are the states before the last layer, of both encoders side by side and not normalised;
the second encoder's projection of the whole text stands beside them. arXiv:2307.01952, section 2.1.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.conditioning.reader import FindPieces, Read, Reader
from kakusan.engine import Computed, Engine
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection, Conditioning
from kakusan.runtime.device import send
from kakusan.text import CLIPTokenizer

Tokenizers = tuple[CLIPTokenizer | None, CLIPTokenizer]


def encode_pairs(
    pairs: Sequence[tuple[str, str]],
    tokenizers: Tokenizers,
    engine: Engine,
    clip_skip: int | None,
) -> tuple[Conditioning, list[str]]:
    """Embeddings of texts, each for both encoders, and notes of what had to be upcast.

    Each distinct text is encoded once, and alone, so that its embeddings do not depend on what
    stands beside it. `clip_skip=k` leaves out k layers more; the pooled embeddings stay whole.

    Args:
        tokenizers: of both encoders; without the first, what is for it is not read.

    Returns:
        Tokens (len(pairs), 77, d) with pooled embeddings (len(pairs), d').
    """
    layer = -2 if clip_skip is None else -(clip_skip + 2)
    notes = list[str]()

    def first(encoder: CLIPTextModel, ids: Tensor) -> Tensor:
        return _hidden(encoder, ids, layer)

    def second(encoder: CLIPTextModelWithProjection, ids: Tensor) -> Tensor:
        return _pooled_and_hidden(encoder, ids, layer)

    def result(computed: Computed) -> Tensor:
        if computed.note is not None and computed.note not in notes:
            notes.append(computed.note)
        return computed.result

    own, other = tokenizers
    width, tokens = engine.text_encoder_2.config.projection_dim, other.model_max_length
    found = {
        text: result(engine.encode_second(second, other.encode_prompts([other.as_read(text)])))
        for text in dict.fromkeys(text for _, text in pairs)
    }
    both = torch.cat([found[text] for _, text in pairs])
    pooled, states = both[:, :width], both[:, width:].unflatten(1, (tokens, -1))
    if own is None:
        return Conditioning(states, pooled), notes
    found = {
        text: result(engine.encode(first, own.encode_prompts([own.as_read(text)])))
        for text in dict.fromkeys(text for text, _ in pairs)
    }
    firsts = torch.cat([found[text] for text, _ in pairs])
    return Conditioning(torch.cat([firsts, states.to(firsts)], dim=-1), pooled), notes


def readers(
    tokenizers: Tokenizers, engine: Engine, clip_skip: int | None, pieces: FindPieces = None
) -> list[Reader]:
    """The encoders as prompts in chunks are read with them: both, or the second alone."""
    layer = -2 if clip_skip is None else -(clip_skip + 2)
    own, other = tokenizers
    width = engine.text_encoder_2.config.projection_dim

    def first(ids: Tensor, mask: Tensor | None) -> tuple[Read, Computed]:
        computed = engine.encode(lambda encoder, ids: _hidden(encoder, ids, layer, mask), ids)
        return Read(computed.result), computed

    def second(ids: Tensor, mask: Tensor | None) -> tuple[Read, Computed]:
        computed = engine.encode_second(
            lambda encoder, ids: _pooled_and_hidden(encoder, ids, layer, mask), ids
        )
        both = computed.result
        return Read(both[:, width:].unflatten(1, (ids.shape[1], -1)), both[:, :width]), computed

    found = [Reader(other, second, pieces)]
    return found if own is None else [Reader(own, first, pieces), *found]


def _hidden(encoder: CLIPTextModel, ids: Tensor, layer: int, mask: Tensor | None = None) -> Tensor:
    mask = None if mask is None else send(mask, encoder.device)
    states = encoder(send(ids, encoder.device), mask, output_hidden_states=True).hidden_states
    assert states is not None
    return states[layer]


def _pooled_and_hidden(
    encoder: CLIPTextModelWithProjection, ids: Tensor, layer: int, mask: Tensor | None = None
) -> Tensor:
    """In one row, so that both are computed again where either overflows."""
    mask = None if mask is None else send(mask, encoder.device)
    embeds, _, hidden = encoder(send(ids, encoder.device), mask, output_hidden_states=True)
    return torch.cat([embeds, hidden[layer].flatten(1)], dim=1)
