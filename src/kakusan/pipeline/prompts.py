"""Prompts to text embeddings."""

import functools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.generation import Widening
from kakusan.models import CLIPTextModel
from kakusan.runtime.device import send
from kakusan.text import CLIPTokenizer


@torch.no_grad()
def encode_texts(
    texts: Sequence[str],
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    clip_skip: int | None,
    widening: Widening,
) -> Tensor:
    """Embeddings (len(texts), 77, d); each distinct text is encoded once, alone.

    Alone, so that a text's embeddings do not depend on what stands beside it. `clip_skip=k`
    leaves out the last k layers; `widening` takes note of an encoder that overflowed.

    Raises:
        RequestError: `clip_skip` leaves no layer.
    """
    layers = text_encoder.config.num_hidden_layers
    if clip_skip is not None and clip_skip >= layers:
        raise RequestError(
            f"clip_skip must be below the text encoder's {layers} layers, not {clip_skip}"
        )
    distinct: dict[str, Tensor] = {}
    for text in dict.fromkeys(texts):
        ids = tokenizer.encode_prompts([text])
        states = functools.partial(_states, input_ids=ids, clip_skip=clip_skip)
        distinct[text] = widening.compute("text encoder", text_encoder, states)
    return torch.cat([distinct[text] for text in texts])


def _states(text_encoder: CLIPTextModel, input_ids: Tensor, clip_skip: int | None) -> Tensor:
    input_ids = send(input_ids, text_encoder.device)
    if clip_skip is None:
        return text_encoder(input_ids).last_hidden_state
    hidden = text_encoder(input_ids, output_hidden_states=True).hidden_states
    assert hidden is not None
    return text_encoder.final_layer_norm(hidden[-(clip_skip + 1)])


def texts_or_embeds(
    name: str, texts: str | Sequence[str] | None, embeds: Tensor | None
) -> str | Sequence[str | None]:
    """The texts, or a None for each row of `embeds` (prompts, tokens, width) in their place.

    Raises:
        RequestError: Both or neither were given, or `embeds` has another shape.
    """
    if (texts is None) == (embeds is None):
        both = "were both given" if texts is not None else "are both missing"
        raise RequestError(f"{name} and {name}_embeds {both}; give exactly one of them")
    if embeds is None:
        return cast("str | Sequence[str]", texts)
    if embeds.ndim != 3:
        shape = tuple(embeds.shape)
        raise RequestError(
            f"{name}_embeds must have the shape (prompts, tokens, width), not {shape}"
        )
    return [None] * len(embeds)
