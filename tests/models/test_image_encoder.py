"""CLIP's picture encoder beside the reference library's."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import kakusan
from kakusan.errors import CheckpointError, RequestError
from tests.models.comparing import assert_near, noise
from tests.oracle import tiny

# As wide a head as the published ones of this width have, so that a file alone tells the shape
SHAPE = {
    "hidden_size": 128,
    "image_size": 28,
    "intermediate_size": 96,
    "num_attention_heads": 2,
    "num_hidden_layers": 3,
    "patch_size": 7,
    "projection_dim": 24,
}


def reference(**changed: Any) -> Any:
    torch.manual_seed(5)
    config = transformers.CLIPVisionConfig(**{**SHAPE, "hidden_act": "gelu", **changed})
    network: Any = transformers.CLIPVisionModelWithProjection(config)
    tiny.randomise(network, seed=6)
    return network.eval()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("image_encoder")
    reference().save_pretrained(where)
    return where


def assert_same(ours: kakusan.CLIPVisionModelWithProjection, theirs: Any) -> None:
    pixels = noise(2, 3, 28, 28)
    with torch.no_grad():
        expected = theirs(pixels, output_hidden_states=True)
        found: Any = ours(pixels, output_hidden_states=True)
    assert_near(found.image_embeds, expected.image_embeds)
    assert_near(found.last_hidden_state, expected.last_hidden_state)
    assert len(found.hidden_states) == len(expected.hidden_states) == 4
    for one, other in zip(found.hidden_states, expected.hidden_states, strict=True):
        assert_near(one, other)


@pytest.mark.parametrize("act", ["gelu", "quick_gelu"])
def test_it_is_the_references(tmp_path: Path, act: str) -> None:
    theirs = reference(hidden_act=act, layer_norm_eps=1e-3)
    theirs.save_pretrained(tmp_path)
    ours = kakusan.CLIPVisionModelWithProjection.from_pretrained(tmp_path)
    assert_same(ours, theirs)
    assert ours.config.image_size == 28
    plain: Any = ours(noise(1, 3, 28, 28), return_dict=False)
    assert len(plain) == 2


def test_what_is_saved_the_reference_loads(folder: Path, tmp_path: Path) -> None:
    ours = kakusan.CLIPVisionModelWithProjection.from_pretrained(folder)
    ours.save_pretrained(tmp_path)
    with tiny.quiet():
        theirs: Any = transformers.CLIPVisionModelWithProjection.from_pretrained(tmp_path)
    assert_same(ours, theirs)


def test_a_file_alone_tells_its_shape(folder: Path, tmp_path: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    path = tmp_path / "CLIP-ViT-H-14.safetensors"
    save_file({**tensors, "text_model.final_layer_norm.weight": torch.ones(4)}, path)
    for load in ("from_single_file", "from_pretrained"):
        ours = getattr(kakusan.CLIPVisionModelWithProjection, load)(path)
        assert_same(ours, reference())


@pytest.mark.parametrize(("width", "heads"), [(1280, 16), (1664, 16), (1024, 16), (768, 12)])
def test_published_widths_tell_their_heads(tmp_path: Path, width: int, heads: int) -> None:
    theirs = reference(
        hidden_size=width, num_attention_heads=heads, num_hidden_layers=1, intermediate_size=8
    )
    save_file(theirs.state_dict(), tmp_path / "vision.safetensors")
    ours = kakusan.CLIPVisionModelWithProjection.from_single_file(tmp_path / "vision.safetensors")
    assert ours.config.num_attention_heads == heads
    assert ours.config.hidden_act == "gelu"


def test_a_whole_clip_has_one(tmp_path: Path) -> None:
    theirs = reference()
    theirs.save_pretrained(tmp_path)
    tower = json.loads((tmp_path / "config.json").read_text())
    whole = {"model_type": "clip", "projection_dim": 24, "vision_config": tower}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    assert_same(kakusan.CLIPVisionModelWithProjection.from_pretrained(tmp_path), theirs)


def test_what_is_none_is_refused(folder: Path, tmp_path: Path) -> None:
    ours = kakusan.CLIPVisionModelWithProjection.from_pretrained(folder)
    with pytest.raises(RequestError, match=r"shape \(1, 3, 14, 14\).*CLIPImageProcessor"):
        ours(torch.zeros(1, 3, 14, 14))
    save_file({"conv_in.weight": torch.zeros(2)}, tmp_path / "some.safetensors")
    with pytest.raises(CheckpointError, match="is not a CLIP picture encoder"):
        kakusan.CLIPVisionModelWithProjection.from_single_file(tmp_path / "some.safetensors")
