"""Single files of ControlNets and T2I-Adapters: every published form comes to the same network."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan.checkpoints.names.control import ControlNames
from kakusan.errors import CheckpointError
from kakusan.models.control.controlnet import ControlNetModel
from kakusan.models.control.t2i_adapter import T2IAdapter
from kakusan.models.control.union import ControlNetUnionModel
from tests.oracle import single, tiny

DROPPED = ("sample_size", "up_block_types", "scheduler")


def shape(unet: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A ControlNet's config for a UNet's."""
    whole = {**tiny.UNET, **unet, **changes}
    return {key: value for key, value in whole.items() if key not in DROPPED}


NETS = {
    "v1": shape(single.UNET),
    "v2": shape(single.V2_UNET, cross_attention_dim=1024),
    "sdxl": shape(single.XL_UNET),
    "mid": shape(single.XL_UNET, transformer_layers_per_block=[0, 0, 1]),
    "small": shape(
        single.XL_UNET,
        down_block_types=["DownBlock2D"] * 3,
        mid_block_type="UNetMidBlock2D",
        cross_attention_dim=2048,
    ),
    "hint": shape(single.UNET, conditioning_embedding_out_channels=[8, 16, 24, 40]),
}


def net(**config: Any) -> Any:
    with tiny.quiet():
        return tiny.randomise(diffusers.ControlNetModel(**config), 5)


def ldm(network: Any) -> dict[str, Tensor]:
    names = ControlNames.of_diffusers(network.state_dict())
    return {str(names.to_ldm(name)): tensor for name, tensor in network.state_dict().items()}


def assert_same(ours: Any, theirs: Any) -> None:
    found, wanted = ours.to_published_tensors(ours.state_dict()), theirs.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("kind", NETS)
@pytest.mark.parametrize("form", ["diffusers", "ldm", "control_model", "whole"])
def test_controlnets(kind: str, form: str, tmp_path: Path) -> None:
    theirs = net(**NETS[kind])
    tensors: Mapping[str, Tensor] = theirs.state_dict() if form == "diffusers" else ldm(theirs)
    assert "None" not in tensors
    path = tmp_path / "control_v11p_sd15_canny.safetensors"
    if form in ("control_model", "whole"):
        tensors = {f"control_model.{name}": tensor for name, tensor in tensors.items()}
    if form == "whole":  # as version 1.0 was published: with the model that it was trained on
        path = path.with_suffix(".pth")
        beside = single.unet_tensors(tiny.unet(**single.UNET))
        torch.save({"state_dict": {**beside, **tensors}}, path)
    else:
        save_file(dict(tensors), path)
    for load in (ControlNetModel.from_single_file, ControlNetModel.from_pretrained):
        ours = load(path)
        assert_same(ours, theirs)
    published = ours.config.to_published()
    wanted = ControlNetModel.from_config(dict(theirs.config)).config.to_published()
    assert published == wanted


def test_half_precision_and_the_name_of_shuffle(tmp_path: Path) -> None:
    theirs = net(**NETS["v1"]).half()
    path = tmp_path / "control_v11e_sd15_shuffle_fp16.safetensors"
    save_file(theirs.state_dict(), path)
    ours = ControlNetModel.from_single_file(path, torch_dtype=torch.float16)
    assert ours.dtype == torch.float16
    assert ours.config.pools
    assert ControlNetModel.from_single_file(path).dtype == torch.float32


@pytest.mark.parametrize("kinds", [6, 8])
def test_unions(kinds: int, tmp_path: Path) -> None:
    config = NETS["sdxl"] | {
        "num_control_type": kinds,
        "num_trans_channel": 64,
        "num_proj_channel": 64,
    }
    with tiny.quiet():
        theirs = tiny.randomise(diffusers.ControlNetUnionModel(**config), 5)
    path = tmp_path / "promax.safetensors"
    save_file(theirs.state_dict(), path)
    ours = ControlNetUnionModel.from_single_file(path)
    assert_same(ours, theirs)
    assert ours.config.kinds == kinds
    assert ours.config.type_dim == 256
    with pytest.raises(CheckpointError, match="ControlNetUnionModel loads it"):
        ControlNetModel.from_single_file(path)


def original_full(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        piece = name.removeprefix("adapter.").split(".")
        if piece[0] == "body" and piece[2] == "in_conv":
            piece = ["body", str(2 * int(piece[1])), *piece[2:]]
        elif piece[0] == "body":
            piece = ["body", str(2 * int(piece[1]) + int(piece[3])), *piece[4:]]
        found[".".join(piece)] = tensor
    return found


def original_light(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix("adapter.").replace("resnets", "body"): t for name, t in tensors.items()
    }


@pytest.mark.parametrize(
    ("config", "original"),
    [
        ({"channels": [32, 64, 96, 96]}, original_full),
        ({"channels": [32, 64, 96, 96], "in_channels": 1}, original_full),
        (
            {
                "channels": [32, 64, 96, 96],
                "downscale_factor": 16,
                "adapter_type": "full_adapter_xl",
            },
            original_full,
        ),
        (
            {"channels": [32, 64, 96], "num_res_blocks": 4, "adapter_type": "light_adapter"},
            original_light,
        ),
    ],
)
def test_adapters(
    config: dict[str, Any], original: Callable[[Mapping[str, Tensor]], Any], tmp_path: Path
) -> None:
    with tiny.quiet():
        theirs = tiny.randomise(diffusers.T2IAdapter(**config), 5)
    for name, tensors in {
        "a.safetensors": theirs.state_dict(),
        "b.safetensors": original(theirs.state_dict()),
    }.items():
        save_file(dict(tensors), tmp_path / name)
        ours = T2IAdapter.from_single_file(tmp_path / name)
        assert_same(ours, theirs)
        assert ours.config.adapter_type == theirs.config.adapter_type
        assert ours.config.in_channels == theirs.config.in_channels
    torch.save(original(theirs.state_dict()), tmp_path / "c.pth")
    assert_same(T2IAdapter.from_pretrained(tmp_path / "c.pth"), theirs)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["difference", "control_model.zero_convs.0.0.weight"], "is the difference between"),
        (["lora_controlnet", "zero_convs.0.0.up"], "is a control-LoRA"),
        (["lllite_unet_input_blocks_4.down.0.weight"], "is a ControlLLLite"),
        (["controlnet_x_embedder.weight"], "FLUX"),
        (["lora_unet_down_blocks_0_x.lora_up.weight"], "a LoRA: it changes a model"),
        (["nothing.weight"], "is not a ControlNet .*nothing.weight"),
    ],
)
def test_what_is_refused(names: list[str], said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({name: torch.zeros(2, 2) for name in names}, path)
    with pytest.raises(CheckpointError, match=said):
        ControlNetModel.from_single_file(path)


def test_each_class_names_the_one_that_reads_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file(net(**NETS["v1"]).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"is a ControlNet, not a T2I-Adapter: ControlNetM"):
        T2IAdapter.from_single_file(path)
    with pytest.raises(CheckpointError, match=r"not a union of ControlNets: ControlNetModel"):
        ControlNetUnionModel.from_pretrained(path)
    save_file(tiny.unet().state_dict(), path)
    with pytest.raises(CheckpointError, match="is not a ControlNet"):
        ControlNetModel.from_single_file(path)


def test_a_tensor_that_is_missing(tmp_path: Path) -> None:
    tensors = dict(net(**NETS["v1"]).state_dict())
    del tensors["controlnet_down_blocks.3.weight"]
    save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"controlnet_down_blocks\.3\.weight"):
        ControlNetModel.from_single_file(tmp_path / "x.safetensors")
