"""ControlNets beside the reference's: all residuals, every zero convolution made random."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from kakusan.errors import CheckpointError, RequestError
from kakusan.models import UNet2DConditionModel
from kakusan.models.control.controlnet import ControlNetModel
from kakusan.models.control.union import ControlNetUnionModel
from tests.models.comparing import assert_near, noise
from tests.oracle import tiny

V1 = {key: tiny.UNET[key] for key in tiny.UNET if key not in ("sample_size", "up_block_types")}
XL = V1 | {k: v for k, v in tiny.XL_UNET.items() if k != "up_block_types"}
SHAPES: dict[str, dict[str, Any]] = {
    "v1": V1,
    "v2": V1 | tiny.V2.unet,
    "sdxl": XL,
    "mid": XL | {"transformer_layers_per_block": [0, 0, 1]},
    "bare": XL | {"transformer_layers_per_block": [0, 0, 0]},
    "small": XL
    | {
        "down_block_types": ["DownBlock2D"] * 3,
        "mid_block_type": "UNetMidBlock2D",
        "transformer_layers_per_block": [1, 1, 1],
    },
    "pooled": V1 | {"global_pool_conditions": True},
    "bgr": V1 | {"controlnet_conditioning_channel_order": "bgr"},
    "hint": V1
    | {"conditioning_channels": 1, "conditioning_embedding_out_channels": [8, 16, 24, 32]},
}


def written(folder: Path, **changes: Any) -> Path:
    with tiny.quiet():
        loud(tiny.randomise(diffusers.ControlNetModel(**changes), 6)).save_pretrained(folder)
    return folder


def loud(net: Any) -> Any:
    """Have what is embedded of a picture be heard: eight layers let little through otherwise."""
    for parameter in net.controlnet_cond_embedding.parameters():
        if parameter.ndim == 4:
            parameter.data *= 2.5
    return net


def question(net: Any, rows: int = 2, height: int = 8, width: int = 12) -> dict[str, Any]:
    given: dict[str, Any] = {
        "sample": noise(rows, 4, height, width).double(),
        "timestep": torch.tensor([500, 31][:rows]),
        "encoder_hidden_states": noise(rows, 77, net.config.cross_attention_dim, seed=1).double(),
        "controlnet_cond": torch.rand(
            rows,
            net.config.conditioning_channels,
            8 * height,
            8 * width,
            generator=torch.Generator().manual_seed(7),
        ).double(),
    }
    if net.config.addition_embed_type:
        given["added_cond_kwargs"] = {
            "text_embeds": noise(rows, 24, seed=2).double(),
            "time_ids": torch.tensor([[64.0, 96, 0, 8, 64, 96]] * rows).double(),
        }
    return given


@pytest.fixture(scope="module", params=list(SHAPES))
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = written(tmp_path_factory.mktemp("net"), **SHAPES[request.param])
    with tiny.quiet():
        theirs = diffusers.ControlNetModel.from_pretrained(folder)
    return ControlNetModel.from_pretrained(folder).double(), theirs.double(), folder


@pytest.mark.parametrize("guess", [False, True])
@pytest.mark.parametrize("size", [(8, 12), (9, 7)])
@torch.no_grad()
def test_all_residuals(both: Any, guess: bool, size: tuple[int, int]) -> None:
    ours, theirs, _ = both
    given = question(theirs, 2, *size)
    found = ours(**given, conditioning_scale=0.7, guess_mode=guess)
    expected = theirs(**given, conditioning_scale=0.7, guess_mode=guess)
    assert len(found.down_block_res_samples) == len(expected.down_block_res_samples)
    pairs = [*zip(found[0], expected[0], strict=True), (found[1], expected[1])]
    for mine, wanted in pairs:
        assert float(wanted.abs().max()) > 1e-3
        assert_near(mine, wanted, 1e-6)


@torch.no_grad()
def test_written_again(both: Any, tmp_path: Path) -> None:
    ours, theirs, _ = both
    ours.save_pretrained(tmp_path)
    with tiny.quiet():
        again = diffusers.ControlNetModel.from_pretrained(tmp_path).double()
    given = question(theirs)
    found, expected = again(**given), theirs(**given)
    for mine, wanted in zip([*found[0], found[1]], [*expected[0], expected[1]], strict=True):
        assert torch.equal(mine, wanted)


@pytest.mark.parametrize("name", ["tiny_v1", "tiny_v2", "tiny_xl"])
@torch.no_grad()
def test_from_unet(name: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(name) / "unet"
    unet = UNet2DConditionModel.from_pretrained(folder)
    with tiny.quiet():
        wanted = diffusers.ControlNetModel.from_unet(
            diffusers.UNet2DConditionModel.from_pretrained(folder)
        )
    net = ControlNetModel.from_unet(unet)
    theirs = ControlNetModel.from_config(dict(wanted.config)).state_dict()
    assert net.state_dict().keys() == theirs.keys()
    state = unet.state_dict()
    shared = [key for key in net.state_dict() if key in state]
    assert len(shared) > 50
    assert all(torch.equal(net.state_dict()[key], state[key]) for key in shared)
    output = net(**{k: _single(v) for k, v in question(wanted).items()})
    assert all(not each.any() for each in [*output[0], output[1]])


def _single(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _single(each) for key, each in value.items()}
    return value.float() if value.is_floating_point() else value


UNION = XL | {
    "num_control_type": 6,
    "num_trans_channel": 16,
    "num_proj_channel": 16,
    "num_trans_head": 4,
    "conditioning_embedding_out_channels": [8, 16, 24, 32],
}


@pytest.mark.parametrize("kinds", [[0], [3], [1, 4], [0, 2, 5]])
@pytest.mark.parametrize("count", [6, 8])
@pytest.mark.parametrize("guess", [False, True])
@torch.no_grad()
def test_union(kinds: list[int], count: int, guess: bool, tmp_path: Path) -> None:
    with tiny.quiet():
        theirs = diffusers.ControlNetUnionModel(**UNION | {"num_control_type": count})
        theirs = loud(tiny.randomise(theirs, 8))
        theirs.save_pretrained(tmp_path)
    theirs, ours = theirs.double(), ControlNetUnionModel.from_pretrained(tmp_path).double()
    given = question(theirs)
    picture = given.pop("controlnet_cond")
    told = torch.zeros(2, count).double()
    told[:, kinds] = 1
    given |= {
        "controlnet_cond": [picture.roll(shift, 3) for shift in range(len(kinds))],
        "control_type": told,
        "control_type_idx": kinds,
        "conditioning_scale": [0.7, 1.3, 0.4][: len(kinds)],
        "guess_mode": guess,
    }
    found, expected = ours(**given), theirs(**given)
    for mine, wanted in zip([*found[0], found[1]], [*expected[0], expected[1]], strict=True):
        assert_near(mine, wanted, 1e-6)
    ours.save_pretrained(tmp_path / "again")
    with tiny.quiet():
        diffusers.ControlNetUnionModel.from_pretrained(tmp_path / "again")


def test_pictures_that_do_not_fit(tmp_path: Path) -> None:
    net = ControlNetModel.from_pretrained(written(tmp_path, **V1))
    given = {k: _single(v) for k, v in question(net).items()}
    for picture in (torch.zeros(2, 1, 64, 96), torch.zeros(2, 3, 64, 95), torch.zeros(3, 64, 96)):
        with pytest.raises(RequestError, match="control picture has shape"):
            net(**given | {"controlnet_cond": picture})
    for picture in (torch.zeros(3, 3, 64, 96), torch.zeros(2, 3, 64, 64)):
        with pytest.raises(RequestError, match="as many rows"):
            net(**given | {"controlnet_cond": picture})


@pytest.mark.parametrize(
    "wrong",
    [
        {"controlnet_conditioning_channel_order": "gbr"},
        {"conditioning_embedding_out_channels": [16, 32]},
        {"mid_block_type": None},
        {"down_block_types": ["AttnDownBlock2D", "DownBlock2D", "DownBlock2D"]},
        {"nobody_knows": 1},
        {"transformer_layers_per_block": [0, -1, 1]},
    ],
)
def test_configs_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(CheckpointError):
        ControlNetModel.from_config(V1 | wrong)
