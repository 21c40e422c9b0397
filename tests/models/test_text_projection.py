"""SDXL's second text encoder beside the reference library's: a projection of whole texts."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import kakusan
from kakusan.errors import CheckpointError, NotYetError, RequestError, UnknownArgumentError
from tests.oracle import tiny

IDS = torch.tensor([[578, 5, 6, 7, 579] + [0] * 72, [578, 9, 579, 579, 579] + [579] * 72])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("text_encoder_2")
    tiny.text_encoder_2().save_pretrained(where)
    return where


@pytest.mark.parametrize("eos", [2, 579])
def test_it_is_the_references(tmp_path: Path, eos: int) -> None:
    theirs = tiny.text_encoder_2(eos_token_id=eos)
    theirs.save_pretrained(tmp_path)
    ours = kakusan.CLIPTextModelWithProjection.from_pretrained(tmp_path)
    with torch.no_grad():
        expected = theirs(IDS, output_hidden_states=True)
        found = ours(IDS, output_hidden_states=True)
    assert found.text_embeds.shape == (2, 24)
    assert (found.text_embeds - expected.text_embeds).abs().max() <= 1e-5
    assert (found.last_hidden_state - expected.last_hidden_state).abs().max() <= 1e-5
    assert len(found.hidden_states) == len(expected.hidden_states) == 4
    for one, other in zip(found.hidden_states, expected.hidden_states, strict=True):
        assert (one - other).abs().max() <= 1e-5
    assert torch.equal(found[0], found.text_embeds)
    assert len(ours(IDS, return_dict=False)) == 2
    assert ours(IDS).hidden_states is None
    assert theirs.config.eos_token_id == ours.config.eos_token_id == eos


def test_what_is_saved_the_reference_loads(folder: Path, tmp_path: Path) -> None:
    ours = kakusan.CLIPTextModelWithProjection.from_pretrained(folder)
    ours.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["architectures"] == ["CLIPTextModelWithProjection"]
    with tiny.quiet():
        theirs: Any = transformers.CLIPTextModelWithProjection.from_pretrained(tmp_path)
    with torch.no_grad():
        assert (theirs(IDS).text_embeds - ours(IDS).text_embeds).abs().max() <= 1e-5
    again = kakusan.CLIPTextModelWithProjection.from_pretrained(tmp_path)
    assert again.config == ours.config
    assert torch.equal(again.text_projection.weight, ours.text_projection.weight)
    assert (kakusan.CLIPTextModelWithProjection.from_config(config).config) == ours.config


def test_the_first_encoder_passes_the_projection_by(folder: Path) -> None:
    projected = kakusan.CLIPTextModelWithProjection.from_pretrained(folder)
    plain = kakusan.CLIPTextModel.from_pretrained(folder)
    with torch.no_grad():
        assert torch.equal(plain(IDS).last_hidden_state, projected(IDS).last_hidden_state)
        pooled = plain(IDS).pooler_output
        assert torch.allclose(projected.text_projection(pooled), projected(IDS).text_embeds)


def test_a_file_without_the_projection_is_one_line(tmp_path: Path) -> None:
    tiny.text_encoder().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="text_projection") as caught:
        kakusan.CLIPTextModelWithProjection.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value)


def test_calls_that_cannot_be_honoured(folder: Path) -> None:
    model = kakusan.CLIPTextModelWithProjection.from_pretrained(folder)
    with pytest.raises(NotYetError, match="position_ids"):
        model(IDS, position_ids=IDS)
    with pytest.raises(UnknownArgumentError):
        model(IDS, tokens=IDS)
    with pytest.raises(RequestError, match="580 tokens"):
        model(IDS + 1000)
    assert model(IDS, position_ids=None, output_attentions=None).text_embeds.shape == (2, 24)


def test_more_tokens(folder: Path) -> None:
    model = kakusan.CLIPTextModelWithProjection.from_pretrained(folder)
    model.resize_token_embeddings(583)
    assert model.config.vocab_size == model.get_input_embeddings().num_embeddings == 583
    assert model.config.architecture == "CLIPTextModelWithProjection"
    assert model(torch.tensor([[578, 582, 579]])).text_embeds.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(folder: Path, dtype: torch.dtype) -> None:
    exact = kakusan.CLIPTextModelWithProjection.from_pretrained(folder)
    half = kakusan.CLIPTextModelWithProjection.from_pretrained(folder, torch_dtype=dtype)
    assert half.text_projection.weight.dtype == dtype
    with torch.no_grad():
        expected, found = exact(IDS).text_embeds, half(IDS).text_embeds.float()
    assert (found - expected).abs().max() <= 0.03 * expected.abs().max()


def test_the_published_size() -> None:
    config = {
        "hidden_act": "gelu",
        "hidden_size": 1280,
        "intermediate_size": 5120,
        "num_attention_heads": 20,
        "num_hidden_layers": 32,
        "projection_dim": 1280,
        "eos_token_id": 2,
        "vocab_size": 49408,
    }
    with torch.device("meta"):
        model = kakusan.CLIPTextModelWithProjection.from_config(config)
    assert sum(parameter.numel() for parameter in model.parameters()) == 694_659_840
