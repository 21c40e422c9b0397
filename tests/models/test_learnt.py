"""Tokens that are looked up beside a text encoder's table are as those in it."""

from pathlib import Path

import pytest
import torch

from kakusan import CLIPTextModel, CLIPTextModelWithProjection
from kakusan.errors import RequestError
from kakusan.models import LearntTokens

ROWS = torch.randn(3, 32, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def encoder(tiny_v1: Path) -> CLIPTextModel:
    return CLIPTextModel.from_pretrained(tiny_v1, subfolder="text_encoder")


def ids_of(encoder: CLIPTextModel | CLIPTextModelWithProjection, *more: int) -> torch.Tensor:
    known = encoder.config.vocab_size
    return torch.tensor([[known - 2, 7, *more, known - 1, known - 1]])


@torch.no_grad()
def test_as_in_a_table_that_has_room_for_them(encoder: CLIPTextModel, tiny_v1: Path) -> None:
    first = encoder.config.vocab_size
    ids = ids_of(encoder, first + 2, first, 9, first + 1)
    larger = CLIPTextModel.from_pretrained(tiny_v1, subfolder="text_encoder")
    larger.resize_token_embeddings(first + 3).weight[first:] = ROWS
    table = encoder.embeddings.token_embedding
    encoder.learn(LearntTokens(first, ROWS))
    assert torch.equal(encoder(ids).last_hidden_state, larger(ids).last_hidden_state)
    assert encoder.embeddings.token_embedding is table
    assert encoder.config.vocab_size == first + 3
    with pytest.raises(RequestError, match=f"go from 7 to {first + 3}"):
        encoder(ids_of(encoder, first + 3)[:, :3].clamp(min=7))
    assert torch.equal(encoder.get_input_embeddings().weight, larger.get_input_embeddings().weight)
    assert encoder.learnt is None
    assert torch.equal(encoder(ids).last_hidden_state, larger(ids).last_hidden_state)


@torch.no_grad()
def test_a_table_with_unused_rows_is_left_alone(encoder: CLIPTextModel) -> None:
    first = encoder.config.vocab_size
    before = encoder.state_dict()["embeddings.token_embedding.weight"].clone()
    ids = ids_of(encoder, 5)
    ids[ids == 5] = 11
    plain = encoder(ids).last_hidden_state
    encoder.learn(LearntTokens(first - 4, ROWS))  # over rows that no tokenizer has tokens for
    changed = encoder(torch.full((1, 3), first - 4)).hidden_states
    assert changed is None
    encoder.learn(None)
    assert torch.equal(encoder(ids).last_hidden_state, plain)
    assert torch.equal(encoder.state_dict()["embeddings.token_embedding.weight"], before)


@torch.no_grad()
@pytest.mark.parametrize("may_end", [True, False])
def test_where_a_text_ends(tiny_xl: Path, may_end: bool) -> None:
    """In old files the largest id is the end; the reference takes learnt ones for it, too."""
    encoder = CLIPTextModelWithProjection.from_pretrained(tiny_xl, subfolder="text_encoder_2")
    assert encoder.config.eos_token_id == 2
    first, rows = encoder.config.vocab_size, torch.randn(1, 40)
    ids = ids_of(encoder, first, 12)
    encoder.learn(LearntTokens(first, rows, may_end=may_end))
    embeds, last, _ = encoder(ids)
    place = 2 if may_end else 4
    assert torch.allclose(embeds, encoder.text_projection(last[:, place]), atol=1e-6)
