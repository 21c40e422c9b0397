"""The decoder's critic: who learns from what, and that edges become steeper."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.edges import steepness
from kakusan.builtin.recipe.sharpening import SharpeningStage
from kakusan.builtin.recipe.vae import DecoderStage, new_vae
from kakusan.models import AutoencoderKL, VAEConfig
from kakusan.training.grids import to_tensor
from kakusan.training.pace import StageSettings

SHAPE = VAEConfig(
    latent_channels=2,
    block_out_channels=(8, 8, 8),
    layers_per_block=1,
    norm_num_groups=2,
    sample_size=32,
)


def settings(steps: int) -> StageSettings:
    return StageSettings(steps=steps, batch_size=8, learning_rate=3e-3, warmup_steps=1)


@pytest.fixture(scope="module")
def pictures() -> Tensor:
    """Squares of any colour on any ground."""
    rng = np.random.default_rng(0)
    made = np.empty((64, 32, 32, 3), np.uint8)
    for picture in made:
        picture[:] = rng.integers(256, size=3)
        top, left = rng.integers(2, 14, size=2)
        picture[top : top + 16, left : left + 16] = rng.integers(256, size=3)
    return torch.from_numpy(made)


@pytest.fixture(scope="module")
def vae(pictures: Tensor) -> AutoencoderKL:
    """One whose decoder blurs."""
    vae = new_vae(SHAPE, 0)
    stage = DecoderStage(vae, settings(1), pictures=lambda: pictures, kl_weight=0.0, seed=0)
    learn(stage, 120)
    return vae


def sharpening(vae: AutoencoderKL, pictures: Tensor, weight: float) -> SharpeningStage:
    return SharpeningStage(
        copy.deepcopy(vae).requires_grad_(True),
        settings(1),
        pictures=lambda: pictures,
        critic_weight=weight,
        seed=0,
    )


def learn(stage: DecoderStage | SharpeningStage, steps: int) -> None:
    learnt = [each for each in stage.networks.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=stage.settings.learning_rate)
    for step in range(steps):
        optimizer.zero_grad()
        stage.loss(stage.rng(step)).backward()
        optimizer.step()


def test_edges_become_steeper_than_without_a_critic(vae: AutoencoderKL, pictures: Tensor) -> None:
    steep: dict[float, float] = {}
    for weight in (0.0, 0.2):
        stage = sharpening(vae, pictures, weight)
        learn(stage, 150)
        known = to_tensor(pictures)
        with torch.no_grad():
            decoded = stage.networks.vae.decode(stage.networks.vae.encode(known)[0].mean)[0]
        steep[weight] = steepness(decoded, known)
    assert steep[0.2] > 1.02 * steep[0.0]


def test_only_the_decoder_and_the_critic_learn(vae: AutoencoderKL, pictures: Tensor) -> None:
    stage = sharpening(vae, pictures, 0.5)
    before = copy.deepcopy(stage.networks.state_dict())
    learn(stage, 2)
    after = stage.networks.state_dict()
    changed = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in changed} == {"vae", "critic"}
    assert not any("encoder" in name or ".quant_conv" in name for name in changed)
    assert any("decoder" in name for name in changed)


def test_each_learns_from_its_own_part_of_the_loss(vae: AutoencoderKL, pictures: Tensor) -> None:
    with_critic, without = (sharpening(vae, pictures, weight) for weight in (0.5, 0.0))
    for stage in (with_critic, without):
        stage.loss(stage.rng(0)).backward()
    for (name, one), (_, other) in zip(
        with_critic.networks.named_parameters(), without.networks.named_parameters(), strict=True
    ):
        if name.startswith("critic"):  # which does not learn to be pleased
            assert one.grad is not None
            torch.testing.assert_close(one.grad, other.grad)
    last = [stage.networks.vae.decoder.conv_out.weight.grad for stage in (with_critic, without)]
    assert last[0] is not None
    assert last[1] is not None
    pull = (last[0] - last[1]).norm() / last[1].norm()
    assert float(pull) == pytest.approx(0.5, rel=0.01)
