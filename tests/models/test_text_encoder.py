"""The text encoder beside the reference's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor

from kakusan.errors import CheckpointError, RequestError
from kakusan.models import CLIPTextModel, TextEncoderConfig
from tests.models.comparing import assert_gradients_near, assert_near
from tests.oracle import tiny

START, END = tiny.TEXT["bos_token_id"], tiny.TEXT["eos_token_id"]


def token_ids() -> Tensor:
    """Two texts of different length, filled up with their end token."""
    ids = torch.full((2, 77), END)
    ids[:, 0] = START
    ids[0, 1:5] = torch.tensor([5, 300, 17, 400])
    ids[1, 1:9] = torch.tensor([520, 1, 0, 7, 7, 333, 12, 90])
    return ids


def pair(folder: Path) -> tuple[CLIPTextModel, Any]:
    with tiny.quiet():
        theirs = transformers.CLIPTextModel.from_pretrained(folder)
    return CLIPTextModel.from_pretrained(folder), theirs


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v1_published", "tiny_v2"])
def both(request: pytest.FixtureRequest) -> tuple[CLIPTextModel, Any]:
    return pair(request.getfixturevalue(request.param) / "text_encoder")


@torch.no_grad()
def test_embeddings_pooled_and_hidden_states(both: Any) -> None:
    ours, theirs = (net(token_ids(), output_hidden_states=True) for net in both)
    assert_near(ours.last_hidden_state, theirs.last_hidden_state)
    assert_near(ours[1], theirs.pooler_output)
    assert len(ours.hidden_states) == len(theirs.hidden_states)
    for state, expected in zip(ours.hidden_states[:-1], theirs.hidden_states[:-1], strict=True):
        assert_near(state, expected)
    last = both[0].final_layer_norm(ours.hidden_states[-1])
    assert torch.equal(last, ours[0])


@torch.no_grad()
def test_short_texts_and_masked_padding(both: Any) -> None:
    ids = token_ids()[:, :12]
    assert_near(both[0](ids)[0], both[1](ids)[0])
    mask = torch.ones_like(ids)
    mask[0, 6:] = 0
    ours, theirs = (net(ids, attention_mask=mask) for net in both)
    assert_near(ours[0], theirs[0])


@torch.no_grad()
@pytest.mark.parametrize("eos", [2, END, 17])
def test_the_pooled_output_follows_the_rule_of_the_end_token(tiny_v1: Path, eos: int) -> None:
    ours, theirs = pair(tiny_v1 / "text_encoder")
    network = tiny.text_encoder(eos_token_id=eos)
    network.load_state_dict(theirs.state_dict())
    changed = TextEncoderConfig.from_published(tiny.TEXT | {"eos_token_id": eos})
    copy = CLIPTextModel(changed)
    copy.load_state_dict(ours.state_dict())
    assert_near(copy(token_ids()).pooler_output, network(token_ids()).pooler_output)


def test_gradients(both: Any) -> None:
    ours, theirs = both
    losses = [net(token_ids())[0].square().mean() for net in both]
    assert_gradients_near(ours, theirs, *losses)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_near(tiny_v1: Path, dtype: torch.dtype) -> None:
    plain, half = (
        CLIPTextModel.from_pretrained(tiny_v1 / "text_encoder", torch_dtype=kept)
        for kept in (torch.float32, dtype)
    )
    assert_near(half(token_ids())[0].float(), plain(token_ids())[0], limit=0.03)


@torch.no_grad()
def test_a_whole_clip_loads(tmp_path: Path) -> None:
    with tiny.quiet():
        config = transformers.CLIPConfig(text_config=tiny.TEXT, vision_config=tiny.VISION)
        clip = tiny.randomise(transformers.CLIPModel(config), 5)
        clip.save_pretrained(tmp_path)
    ours, theirs = pair(tmp_path)
    assert_near(ours(token_ids())[0], theirs(token_ids())[0])


def test_old_whole_clips_repeat_their_text_config() -> None:
    text = {"hidden_size": 768, "num_attention_heads": 12, "eos_token_id": 2}
    published: dict[str, Any] = {"text_config": {"hidden_size": 4}, "text_config_dict": text}
    config = TextEncoderConfig.from_published(published)
    assert (config.hidden_size, config.num_attention_heads, config.eos_token_id) == (768, 12, 2)


@torch.no_grad()
def test_the_reference_loads_what_is_saved(tiny_v2: Path, tmp_path: Path) -> None:
    ours = CLIPTextModel.from_pretrained(tiny_v2, subfolder="text_encoder")
    ours.save_pretrained(tmp_path)
    assert all(name.startswith("text_model.") for name in load_file(tmp_path / "model.safetensors"))
    _, theirs = pair(tmp_path)
    assert_near(ours(token_ids())[0], theirs(token_ids())[0])
    assert_near(ours(token_ids())[1], theirs(token_ids())[1])


def test_too_many_tokens(tiny_v1: Path) -> None:
    ours = CLIPTextModel.from_pretrained(tiny_v1, subfolder="text_encoder")
    with pytest.raises(RequestError, match="at most 77 tokens"):
        ours(torch.zeros(1, 78, dtype=torch.long))
    assert len(ours(token_ids(), return_dict=False)) == 2


def test_published_sizes_and_round_trip() -> None:
    with torch.device("meta"):
        encoder = CLIPTextModel(TextEncoderConfig())
    assert sum(parameter.numel() for parameter in encoder.parameters()) == 123_060_480
    assert TextEncoderConfig.from_published(encoder.config.to_published()) == encoder.config


def test_a_fresh_encoder_tells_texts_apart() -> None:
    torch.manual_seed(0)
    encoder = CLIPTextModel(TextEncoderConfig.from_published(tiny.TEXT))
    states = encoder(token_ids())[0]
    assert 0.5 < states.std() < 2
    assert (states[0, 2] - states[1, 2]).abs().mean() > 0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_act": "relu"}, "'hidden_act'.*quick_gelu"),
        ({"model_type": "t5"}, "'model_type'"),
        ({"hidden_size": 33}, "multiple of num_attention_heads"),
        ({"num_hidden_layers": 10**9}, "'num_hidden_layers'"),
        ({"vocab_size": 10**12}, "'vocab_size'"),
    ],
)
def test_configs_that_cannot_be_honoured(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(tiny.TEXT | changes))
    with pytest.raises(CheckpointError, match=message) as caught:
        CLIPTextModel.from_pretrained(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value)
