"""IP-Adapters' files, and what they make of pictures, beside the reference's."""

import logging
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file

from kakusan.checkpoints.ip_adapter import ip_adapter_of, ip_adapter_shape, read_ip_adapter
from kakusan.errors import CheckpointError
from kakusan.models import IPAdapter, UNet2DConditionModel, ip_adapter_for
from tests.models.comparing import assert_near, noise
from tests.oracle import ip_adapters, tiny

FEATURES = {"plain": (3, 20), "plus": (3, 257, 48), "full": (3, 257, 48)}
TOKENS = {"plain": 4, "plus": 16, "full": 257}
Both = tuple[UNet2DConditionModel, Any]


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_xl"])
def both(request: pytest.FixtureRequest) -> Both:
    return _both(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def v1(tiny_v1: Path) -> Both:
    return _both(tiny_v1)


def _both(folder: Path) -> Both:
    with tiny.quiet():
        theirs: Any = diffusers.UNet2DConditionModel.from_pretrained(folder / "unet")
    return UNet2DConditionModel.from_pretrained(folder / "unet"), theirs


def flat(state: dict[str, dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {f"{part}.{name}": each for part in state for name, each in state[part].items()}


def adapter(unet: UNet2DConditionModel, state: Any) -> IPAdapter:
    return ip_adapter_for(unet, ip_adapter_of(state, "it"), "it")


@pytest.mark.parametrize("kind", ip_adapters.KINDS)
@torch.no_grad()
def test_tokens_and_weights_are_the_references(both: Both, kind: str) -> None:
    ours, theirs = both
    state = ip_adapters.state(theirs, kind, seed=3)
    with tiny.quiet():
        theirs._load_ip_adapter_weights([state])
    layer = theirs.encoder_hid_proj.image_projection_layers[0]
    found = adapter(ours, state)
    features = noise(*FEATURES[kind])
    tokens = found.projection(features)
    assert tokens.shape == (3, TOKENS[kind], ours.config.cross_attention_dim)
    assert_near(tokens, layer(features))
    assert found.projection.pooled == (kind == "plain")
    assert not found.unmatched
    theirs_by_name = {
        name.removesuffix(".attn2.processor"): each
        for name, each in theirs.attn_processors.items()
        if "attn2" in name
    }
    assert found.layers.weights.keys() == theirs_by_name.keys()
    for name, (to_k, to_v) in found.layers.weights.items():
        assert torch.equal(to_k, theirs_by_name[name].to_k_ip[0].weight)
        assert torch.equal(to_v, theirs_by_name[name].to_v_ip[0].weight)


@pytest.mark.parametrize("form", ["bin", "safetensors", "flat.bin", "trained.bin"])
def test_every_form_of_file(v1: Both, tmp_path: Path, form: str) -> None:
    state = ip_adapters.state(v1[1], "plus", seed=4)
    path = tmp_path / f"ip-adapter.{form}"
    if form == "bin":
        torch.save(state, path)
    elif form == "flat.bin":
        torch.save(flat(state), path)
    elif form == "trained.bin":
        names = {"image_proj": "image_proj_model", "ip_adapter": "adapter_modules"}
        torch.save(flat({names[part]: each for part, each in state.items()}), path)
    else:
        save_file(flat(state), path)
    found, expected = ip_adapter_for(v1[0], read_ip_adapter(path), "it"), adapter(v1[0], state)
    features = noise(1, 257, 48)
    assert torch.equal(found.projection(features), expected.projection(features))
    for name, pair in found.layers.weights.items():
        assert torch.equal(pair[1], expected.layers.weights[name][1])
    shaped = ip_adapter_for(v1[0], ip_adapter_shape(path), "it")  # from the header alone
    assert {name: pair[1].shape for name, pair in shaped.layers.weights.items()} == {
        name: pair[1].shape for name, pair in found.layers.weights.items()
    }
    assert not shaped.unmatched


def test_half_precision_files_compute_in_float32(v1: Both) -> None:
    state = ip_adapters.state(v1[1], "plus", seed=4)
    half = {part: {n: t.half() for n, t in each.items()} for part, each in state.items()}
    features = noise(1, 257, 48)
    tokens = adapter(v1[0], half).projection(features)
    assert tokens.dtype == torch.float32
    assert_near(tokens, adapter(v1[0], state).projection(features), 5e-3)


def test_what_does_not_match_is_told(v1: Both, caplog: pytest.LogCaptureFixture) -> None:
    state = ip_adapters.state(v1[1])
    state["ip_adapter"]["99.to_k_ip.weight"] = state["ip_adapter"]["99.to_v_ip.weight"] = noise(
        4, 32
    )
    state["image_proj"]["extra"] = noise(2)
    with caplog.at_level(logging.WARNING, "kakusan"):
        found = adapter(v1[0], state)
    assert found.unmatched == ("ip_adapter.99", "image_proj.extra")
    assert "no use for 2 of its tensors" in caplog.text


def refused(unet: UNet2DConditionModel, state: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        adapter(unet, state)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_none_or_for_another_is_refused(v1: Both, tiny_xl: Path, tmp_path: Path) -> None:
    unet, theirs = v1
    state = ip_adapters.state(theirs)
    xl = ip_adapters.state(_both(tiny_xl)[1])
    assert "models whose text is 72 wide, and this model is one" in refused(unet, xl)
    some = dict(list(state["ip_adapter"].items())[:-2])
    said = refused(unet, {**state, "ip_adapter": some})
    assert "was made for another UNet: it has" in said
    first = {**state["ip_adapter"], "1.to_k_ip.weight": noise(5, 32)}
    assert "1.to_k_ip.weight has the shape (5, 32)" in refused(unet, {**state, "ip_adapter": first})
    assert "lacks image_proj" in refused(unet, {"ip_adapter": state["ip_adapter"]})
    lora = {"lora_unet_x.lora_down.weight": noise(2, 2), "lora_unet_x.lora_up.weight": noise(2, 2)}
    assert "is a LoRA, not an IP-Adapter" in refused(unet, lora)
    bad = {**state["image_proj"], "norm.bias": torch.full((32,), torch.nan)}
    assert "norm.bias' has values that are NaN" in refused(unet, {**state, "image_proj": bad})
    face = {"proj.0.weight": noise(4, 4), "proj.2.weight": noise(4, 4), "norm.weight": noise(32)}
    assert "FaceID" in refused(unet, {**state, "image_proj": face})
    (tmp_path / "x.bin").write_bytes(b"\x80\x02cos\nsystem\n.")
    with pytest.raises(CheckpointError, match="not a file of weights alone"):
        read_ip_adapter(tmp_path / "x.bin")
