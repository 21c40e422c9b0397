"""The VAE beside the reference's."""

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from kakusan.errors import CheckpointError
from kakusan.models import AutoencoderKL, DiagonalGaussian, VAEConfig
from kakusan.models.tiling import tiled
from tests.models.comparing import assert_gradients_near, assert_near, noise
from tests.oracle import tiny


@pytest.fixture(scope="module", params=["tiny_v1", "tiny_v1_published"])
def both(request: pytest.FixtureRequest) -> tuple[AutoencoderKL, Any]:
    folder = request.getfixturevalue(request.param) / "vae"
    with tiny.quiet():
        theirs = diffusers.AutoencoderKL.from_pretrained(folder)
    return AutoencoderKL.from_pretrained(folder), theirs


@pytest.fixture
def vae(tiny_v1: Path) -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(tiny_v1 / "vae")


@pytest.mark.parametrize("size", [(64, 64), (32, 72)])
@torch.no_grad()
def test_encode(both: Any, size: tuple[int, int]) -> None:
    pictures = noise(2, 3, *size)
    ours, theirs = (net.encode(pictures).latent_dist for net in both)
    assert_near(ours.mean, theirs.mean)
    assert_near(ours.logvar, theirs.logvar)
    assert_near(ours.std, theirs.std)
    assert_near(ours.mode(), theirs.mode())
    assert_near(ours.kl(), theirs.kl())
    for _ in range(2):
        generators = [torch.Generator().manual_seed(5) for _ in range(2)]
        assert_near(ours.sample(generators[0]), theirs.sample(generators[1]))
    several = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    assert_near(
        ours.sample(several)[:1], ours.mean[:1] + ours.std[:1] * noise(*ours.mean[:1].shape, seed=5)
    )


@pytest.mark.parametrize("size", [(8, 8), (4, 9)])
@torch.no_grad()
def test_decode(both: Any, size: tuple[int, int]) -> None:
    latents = noise(2, 4, *size)
    ours, theirs = (net.decode(latents).sample for net in both)
    assert_near(ours, theirs)


def test_gradients(both: Any) -> None:
    pictures = noise(2, 3, 16, 32)
    losses: list[Tensor] = []
    for net in both:
        latents = net.encode(pictures).latent_dist
        drawn = latents.sample(torch.Generator().manual_seed(1))
        losses.append(net.decode(drawn).sample.square().mean() + 0.01 * latents.kl().mean())
    assert_gradients_near(both[0], both[1], *losses)


@torch.no_grad()
def test_forward(both: Any) -> None:
    pictures = noise(2, 3, 16, 16)
    for sample in (False, True):
        ours, theirs = (
            net(pictures, sample_posterior=sample, generator=torch.Generator().manual_seed(3))
            for net in both
        )
        assert_near(ours.sample, theirs.sample)
    assert isinstance(both[0](pictures, return_dict=False), tuple)


@torch.no_grad()
def test_slicing_gives_the_same(vae: AutoencoderKL) -> None:
    pictures, latents = noise(3, 3, 32, 32), noise(3, 4, 4, 4)
    plain = vae.encode(pictures)[0].mean, vae.decode(latents)[0]
    vae.enable_slicing()
    assert_near(vae.encode(pictures)[0].mean, plain[0])
    assert_near(vae.decode(latents)[0], plain[1])
    vae.disable_slicing()


@torch.no_grad()
def test_tiling_is_as_close_as_the_references(both: Any) -> None:
    smooth = torch.nn.functional.interpolate(noise(2, 3, 3, 4), (104, 168), mode="bicubic")
    latents = both[0].encode(smooth)[0].mean
    errors = []
    for net in both:
        encoded, decoded = net.encode(smooth)[0].mean, net.decode(latents)[0]
        net.enable_tiling()
        tiles = net.encode(smooth)[0].mean, net.decode(latents)[0]
        net.disable_tiling()
        assert tiles[0].shape == encoded.shape
        assert tiles[1].shape == decoded.shape
        errors.append([float((tiles[0] - encoded).std()), float((tiles[1] - decoded).std())])
    # random weights look far beyond a tile, so both differ much from the whole
    assert errors[0][0] <= 1.1 * errors[1][0]
    assert errors[0][1] <= 1.1 * errors[1][1]


@torch.no_grad()
def test_tiling_leaves_small_pictures_alone(vae: AutoencoderKL) -> None:
    latents = noise(2, 4, 8, 8)
    plain = vae.decode(latents)[0]
    vae.enable_tiling()
    assert torch.equal(vae.decode(latents)[0], plain)


@pytest.mark.parametrize("size", [(5, 7), (8, 8), (9, 23), (64, 17)])
def test_tiles_of_a_local_network_give_exactly_the_whole(size: tuple[int, int]) -> None:
    x = noise(1, 2, *size)

    def enlarge(part: Tensor) -> Tensor:
        return torch.nn.functional.interpolate(part, scale_factor=8.0, mode="nearest")

    assert_near(tiled(x, enlarge, 8, 8.0), enlarge(x), limit=1e-6)
    pixels = enlarge(x)
    assert_near(tiled(pixels, lambda part: part[..., ::8, ::8], 64, 1 / 8), x, limit=1e-6)


def test_tiles_blend_without_seams() -> None:
    steps = iter(range(100))
    blended = tiled(torch.zeros(1, 1, 8, 30), lambda part: part + next(steps), 8, 1.0)
    jumps = blended[0, 0, 0].diff().abs()
    assert blended.max() > 2
    assert jumps.max() <= 0.5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@torch.no_grad()
def test_half_precision_is_near_and_gives_back_the_callers_dtype(
    tiny_v1: Path, vae: AutoencoderKL, dtype: torch.dtype
) -> None:
    half = AutoencoderKL.from_pretrained(tiny_v1 / "vae", torch_dtype=dtype)
    latents, pictures = noise(1, 4, 8, 8), noise(1, 3, 32, 32)
    decoded, encoded = half.decode(latents.to(dtype))[0], half.encode(pictures.to(dtype))[0].mean
    assert decoded.dtype == encoded.dtype == dtype
    assert_near(decoded.float(), vae.decode(latents)[0], limit=0.05)
    assert_near(encoded.float(), vae.encode(pictures)[0].mean, limit=0.05)


def test_the_reference_loads_what_is_saved(vae: AutoencoderKL, tmp_path: Path) -> None:
    vae.save_pretrained(tmp_path)
    with tiny.quiet():
        theirs = diffusers.AutoencoderKL.from_pretrained(tmp_path)
    with torch.no_grad():
        assert_near(vae.decode(noise(1, 4, 4, 4))[0], theirs.decode(noise(1, 4, 4, 4))[0])


def test_attention_as_convolutions_loads(vae: AutoencoderKL) -> None:
    name = "decoder.mid_block.attentions.0.query.weight"
    renamed = vae.from_published_tensors({name: torch.zeros(8, 8, 1, 1)})
    assert {key: value.shape for key, value in renamed.items()} == {
        "decoder.mid_block.attentions.0.to_q.weight": (8, 8)
    }


def test_published_sizes() -> None:
    with torch.device("meta"):
        vae = AutoencoderKL(VAEConfig())
    assert sum(parameter.numel() for parameter in vae.parameters()) == 83_653_863
    assert vae.scale_factor == 8
    assert vae.config.scaling_factor == 0.18215


def test_extreme_variances_stay_finite() -> None:
    parameters = torch.tensor([0.0, 1e9])[None, :, None, None]
    assert DiagonalGaussian(parameters).std.item() == pytest.approx(22026.47, rel=1e-4)


def test_config_round_trip(vae: AutoencoderKL) -> None:
    assert VAEConfig.from_published(vae.config.to_published()) == vae.config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"down_block_types": ["AttnDownEncoderBlock2D"]}, "AttnDownEncoderBlock2D"),
        ({"latents_mean": [0.0]}, "'latents_mean'"),
        ({"shift_factor": 0.1}, "'shift_factor'"),
        ({"use_quant_conv": False}, "'use_quant_conv'"),
        ({"block_out_channels": [7]}, "7 channels"),
        ({"latent_channels": 10**9}, "'latent_channels'"),
        ({"scaling_factor": 0}, "'scaling_factor'"),
        ({"unheard_of": "x"}, "'unheard_of'"),
    ],
)
def test_configs_that_cannot_be_honoured(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        VAEConfig.from_published({"block_out_channels": [32], **changes})
