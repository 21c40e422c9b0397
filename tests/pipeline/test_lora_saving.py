"""`save_lora_weights`: what training scripts write, the reference and kakusan read back."""

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from peft import LoraConfig, get_peft_model_state_dict
from safetensors import safe_open
from torch import nn

import kakusan
from kakusan.errors import KakusanError, OutputError

PARTS = ("unet", "text_encoder", "text_encoder_2")
CLASSES = {"v1": "StableDiffusionPipeline", "xl": "StableDiffusionXLPipeline"}
ONE = {"x.lora_A.weight": torch.ones(2, 3)}


def effective(module: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that the reference's layers with adapters compute with."""
    return {
        name.removeprefix("text_model."): each.weight
        + each.get_delta_weight(each.active_adapter[0])
        for name, each in module.named_modules()
        if hasattr(each, "lora_A") and hasattr(each, "get_delta_weight")
    }


@pytest.mark.parametrize("family", CLASSES)
@pytest.mark.parametrize("safe", [True, False], ids=["safetensors", "pickle"])
def test_as_the_reference_reads_it(
    request: pytest.FixtureRequest, tmp_path: Path, family: str, safe: bool
) -> None:
    source = request.getfixturevalue(f"tiny_{family}")
    theirs, again = (getattr(diffusers, CLASSES[family]).from_pretrained(source) for _ in "12")
    layers: dict[str, Any] = {}
    torch.manual_seed(0)
    for part in (each for each in PARTS if getattr(theirs, each, None) is not None):
        wanted = ["to_q", "to_out.0"] if part == "unet" else ["q_proj", "fc1"]
        alpha = {"alpha_pattern": {wanted[0]: 7}, "rank_pattern": {wanted[1]: 3}} if safe else {}
        config = LoraConfig(r=4, lora_alpha=8 if safe else 4, target_modules=wanted, **alpha)
        network = getattr(theirs, part)
        network.add_adapter(config)
        for name, parameter in network.named_parameters():
            if "lora_" in name:
                parameter.data = torch.randn(parameter.shape) * 0.3
        layers[f"{part}_lora_layers"] = get_peft_model_state_dict(network)
        if safe:
            layers[f"{part}_lora_adapter_metadata"] = config.to_dict()
    ours = getattr(kakusan, CLASSES[family])
    ours.save_lora_weights(tmp_path / "new", **layers, safe_serialization=safe)
    again.load_lora_weights(tmp_path / "new")
    pipe = ours.from_pretrained(source)
    pipe.load_lora_weights(tmp_path / "new")
    pipe.fuse_lora()
    for part in (each for each in PARTS if getattr(theirs, each, None) is not None):
        truth = effective(getattr(theirs, part))
        found = effective(getattr(again, part))
        assert truth.keys() == found.keys()
        assert all(torch.equal(truth[name], found[name]) for name in truth)
        own = {
            n.removeprefix("text_model."): each
            for n, each in getattr(pipe, part).named_parameters()
        }
        for name, weight in truth.items():
            assert (own[f"{name}.weight"] - weight).abs().max() < 1e-5


def test_the_file_is_the_references(tiny_v1: Path, tmp_path: Path) -> None:
    del tiny_v1
    layers = {
        "mid.lora_A.weight": torch.randn(2, 6)[:, ::2],
        "mid.lora_B.weight": torch.randn(3, 2),
    }
    said = {"r": 2, "target_modules": {"b", "a"}, "lora_alpha": 4}
    for library, name in ((diffusers, "theirs"), (kakusan, "ours")):
        library.StableDiffusionPipeline.save_lora_weights(
            tmp_path / name,
            {key: each.contiguous() for key, each in layers.items()}
            if name == "theirs"
            else layers,
            text_encoder_lora_layers=nn.Linear(2, 3),
            weight_name="style.safetensors",
            unet_lora_adapter_metadata=dict(said),
        )
    with (
        safe_open(tmp_path / "theirs" / "style.safetensors", "pt") as theirs,
        safe_open(tmp_path / "ours" / "style.safetensors", "pt") as ours,
    ):
        assert ours.metadata().keys() == theirs.metadata().keys()
        for metadata in (ours.metadata(), theirs.metadata()):
            words = json.loads(metadata["lora_adapter_metadata"])
            assert words.pop("unet.target_modules") in (["a", "b"], ["b", "a"])
            assert words == {"unet.r": 2, "unet.lora_alpha": 4}
        assert set(ours.keys()) == set(theirs.keys())
        names = [name for name in ours.keys() if name.startswith("unet.")]  # noqa: SIM118
        assert all(torch.equal(ours.get_tensor(n), theirs.get_tensor(n)) for n in names)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "nothing": ({}, "unet_lora_layers"),
    "no tensors": ({"unet_lora_layers": {"x": 1}}, "'x'"),
    "a pickle with metadata": (
        {
            "unet_lora_layers": ONE,
            "safe_serialization": False,
            "unet_lora_adapter_metadata": {"r": 1},
        },
        "safe_serialization",
    ),
    "metadata that is none": (
        {"unet_lora_layers": ONE, "unet_lora_adapter_metadata": {"r": object()}},
        "JSON",
    ),
    "a function": ({"unet_lora_layers": ONE, "save_function": torch.save}, "save_function"),
    "a slip": ({"unet_lora_layer": ONE}, "unet_lora_layers"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_saved_leaves_no_file(tmp_path: Path, name: str) -> None:
    given, says = WRONG[name]
    with pytest.raises(KakusanError) as caught:
        kakusan.StableDiffusionPipeline.save_lora_weights(tmp_path / "out", **given)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.*"))


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError):
        kakusan.StableDiffusionPipeline.save_lora_weights(tmp_path / "out", ONE)
    assert (tmp_path / "out").read_text() == "x"
