"""Texts to the embeddings of one CLIP text encoder, as Stable Diffusion 1 and 2 use them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.conditioning.reader import FindPieces, Read, Reader
from kakusan.engine import Computed, Engine
from kakusan.errors import ArgumentError
from kakusan.models import CLIPTextModel, Conditioning
from kakusan.runtime.device import send
from kakusan.text import CLIPTokenizer


def encode_texts(
    texts: Sequence[str], tokenizer: CLIPTokenizer, engine: Engine, clip_skip: int | None
) -> tuple[Conditioning, list[str]]:
    """Embeddings of texts, tokens (len(texts), 77, d), and notes of what had to be upcast.

    Each distinct text is encoded once, and alone, so that its embeddings do not depend on what
    stands beside it, and slips of the pen are read as what was meant. `clip_skip=k` leaves out the
    last k layers.

    Raises:
        RequestError: `clip_skip` leaves no layer.
    """
    check_clip_skip(clip_skip, engine.text_encoder.config.num_hidden_layers)

    def run(encoder: CLIPTextModel, ids: Tensor) -> Tensor:
        return _states(encoder, ids, clip_skip)

    distinct = {
        text: engine.encode(run, tokenizer.encode_prompts([tokenizer.as_read(text)]))
        for text in dict.fromkeys(texts)
    }
    notes = dict.fromkeys(each.note for each in distinct.values() if each.note is not None)
    tokens = torch.cat([distinct[text].result for text in texts])
    return Conditioning(tokens), list(notes)


def check_clip_skip(clip_skip: int | None, layers: int) -> None:
    """Raise RequestError where no layer of so many is left."""
    if clip_skip is not None and clip_skip >= layers:
        raise ArgumentError(
            f"{{clip_skip}} leaves out {clip_skip} layers of a text encoder that has {layers}; at "
            "least one has to be left"
        )


def reader(
    tokenizer: CLIPTokenizer, engine: Engine, clip_skip: int | None, pieces: FindPieces = None
) -> Reader:
    """The encoder as prompts in chunks are read with it."""

    def encode(ids: Tensor, mask: Tensor | None) -> tuple[Read, Computed]:
        def run(encoder: CLIPTextModel, ids: Tensor) -> Tensor:
            return _states(encoder, ids, clip_skip, mask)

        computed = engine.encode(run, ids)
        return Read(computed.result), computed

    return Reader(tokenizer, encode, pieces)


def _states(
    text_encoder: CLIPTextModel,
    input_ids: Tensor,
    clip_skip: int | None,
    mask: Tensor | None = None,
) -> Tensor:
    input_ids = send(input_ids, text_encoder.device)
    mask = None if mask is None else send(mask, text_encoder.device)
    if clip_skip is None:
        return text_encoder(input_ids, mask).last_hidden_state
    hidden = text_encoder(input_ids, mask, output_hidden_states=True).hidden_states
    assert hidden is not None
    return text_encoder.final_layer_norm(hidden[-(clip_skip + 1)])
