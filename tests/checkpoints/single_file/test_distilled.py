"""Networks that were made smaller: fewer transformer blocks, less of a middle."""

from pathlib import Path
from typing import Any

import pytest
import torch

from kakusan import UNet2DConditionModel
from tests.oracle import single, tiny

DISTILLED: dict[str, dict[str, Any]] = {
    "SSD-1B": {
        "transformer_layers_per_block": [1, [2, 2], [4, 4]],
        "reverse_transformer_layers_per_block": [[4, 4, 5], [2, 1, 1], 1],
        "mid_block_type": "UNetMidBlock2D",
    },
    "Segmind-Vega": {
        "transformer_layers_per_block": [1, 1, 2],
        "mid_block_type": "UNetMidBlock2D",
    },
    "KOALA-700M": {
        "transformer_layers_per_block": [1, 2, 3],
        "mid_block_type": None,
        "layers_per_block": 1,
    },
    "KOALA-1B": {"transformer_layers_per_block": [1, 2, 3], "layers_per_block": 1},
}


@pytest.mark.parametrize("name", DISTILLED)
@pytest.mark.parametrize("form", ["original", "published"])
@torch.no_grad()
def test_a_distilled_unet_is_told_from_its_names(tmp_path: Path, name: str, form: str) -> None:
    theirs = tiny.unet(**single.XL_UNET | DISTILLED[name])
    tensors = single.unet_tensors(theirs) if form == "original" else theirs.state_dict()
    ours = UNet2DConditionModel.from_single_file(
        single.write(tmp_path / "unet.safetensors", tensors)
    )
    x, texts = torch.randn(2, 4, 8, 8), torch.randn(2, 7, 128)
    added = {"text_embeds": torch.randn(2, 64), "time_ids": torch.randint(0, 99, (2, 6))}
    wanted = theirs(x, 500, texts, added_cond_kwargs=added).sample
    found = ours(x, 500, texts, added_cond_kwargs=added).sample
    assert (found - wanted).abs().max() < 1e-5 * max(1.0, float(wanted.abs().max()))
    assert UNet2DConditionModel.from_config(ours.config.to_published()).config == ours.config
    with_folder = UNet2DConditionModel.from_config(dict(theirs.config)).config
    for field in ("transformer_depth", "up_transformer_depth", "middle_resnets"):
        assert getattr(with_folder, field) == getattr(ours.config, field)
