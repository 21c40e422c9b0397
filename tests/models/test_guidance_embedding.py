"""UNets that were distilled under guidance, and are told its scale, beside the reference's."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch

from kakusan.errors import CheckpointError, RequestError
from kakusan.models import UNet2DConditionModel, guidance_embedding
from tests.models.comparing import assert_gradients_near, assert_near, noise
from tests.oracle import tiny

# Of a scale of 8.5, in a width of 256
FIRST_SINES = [-0.851236, 0.842228, 0.011820]
FIRST_COSINES = [-0.524783, 0.539121, -0.999930]


@pytest.fixture(scope="module")
def both(tiny_lcm: Path) -> tuple[UNet2DConditionModel, Any]:
    with tiny.quiet():
        theirs = diffusers.UNet2DConditionModel.from_pretrained(tiny_lcm / "unet")
    return UNet2DConditionModel.from_pretrained(tiny_lcm / "unet"), theirs


def test_the_embedding() -> None:
    found = guidance_embedding(torch.tensor([7.5], dtype=torch.float64), 256, dtype=torch.float64)
    expected = torch.tensor(FIRST_SINES + FIRST_COSINES, dtype=torch.float64)
    assert (found[0, [0, 1, 2, 128, 129, 130]] - expected).abs().max() < 1e-6
    method: Any = diffusers.LatentConsistencyModelPipeline.get_guidance_scale_embedding
    for width in (24, 25, 256):
        scales = torch.tensor([7.5, 0.0, -1.0])
        theirs = method(None, scales, embedding_dim=width)
        assert_near(guidance_embedding(scales, width), theirs, limit=1e-6)


@pytest.mark.parametrize("rows", [1, 2])
def test_predictions(both: Any, rows: int) -> None:
    sample, text = noise(2, 4, 8, 8), noise(2, 7, 32, seed=1)
    guidance = guidance_embedding(torch.tensor([7.5, 1.0][:rows]), 24)
    with torch.no_grad():
        found, expected = (net(sample, 759, text, timestep_cond=guidance).sample for net in both)
        assert_near(found, expected)
        plain, their_plain = (net(sample, 759, text).sample for net in both)
    assert_near(plain, their_plain)
    assert (plain - found).abs().max() > 0.05 * found.abs().max()


def test_gradients(both: Any) -> None:
    sample, text = noise(2, 4, 8, 8), noise(2, 7, 32, seed=1)
    guidance = guidance_embedding(torch.tensor([7.5, 1.0]), 24)
    losses = [net(sample, 9, text, timestep_cond=guidance)[0].square().mean() for net in both]
    assert_gradients_near(*both, *losses)


def test_the_reference_loads_what_is_saved(both: Any, tmp_path: Path) -> None:
    both[0].save_pretrained(tmp_path)
    with tiny.quiet():
        again: Any = diffusers.UNet2DConditionModel.from_pretrained(tmp_path)
    assert again.config.time_cond_proj_dim == both[0].config.time_cond_proj_dim == 24
    guidance = guidance_embedding(torch.tensor([7.5]), 24)
    call = (noise(1, 4, 8, 8), 99, noise(1, 7, 32, seed=1))
    with torch.no_grad():
        found, expected = (net(*call, timestep_cond=guidance).sample for net in (both[0], again))
    assert_near(found, expected)


def test_what_does_not_fit(both: Any, tiny_v1: Path, tmp_path: Path) -> None:
    call = (noise(2, 4, 8, 8), 99, noise(2, 7, 32, seed=1))
    for shape in ((2, 23), (3, 24), (24,)):
        with pytest.raises(RequestError, match=r"this UNet takes \(2, 24\)"):
            both[0](*call, timestep_cond=torch.zeros(shape))
    plain = UNet2DConditionModel.from_pretrained(tiny_v1 / "unet")
    with pytest.raises(RequestError, match="not distilled under guidance"):
        plain(*call, timestep_cond=torch.zeros(2, 24))
    config = both[0].config.to_published()
    for width in (2, -1, "x"):
        with pytest.raises(CheckpointError, match="'time_cond_proj_dim'"):
            UNet2DConditionModel.from_config({**config, "time_cond_proj_dim": width})
