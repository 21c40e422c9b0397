"""What half precision overflowed in is computed again in float32, row by row."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import kakusan
from kakusan.engine import Engine
from kakusan.errors import NumericalError
from kakusan.models import Model


class Overflowing(Model[Any]):
    """Gives infinity for rows above 1 in anything narrower than float32."""

    def __init__(self) -> None:
        super().__init__(None)
        self.weight = nn.Parameter(torch.ones(1))
        self.seen: list[int] = []

    def compute_dtype_on(self, device: torch.device) -> torch.dtype:
        return self.weight.dtype

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        if self.weight.dtype == torch.float32:
            return x * 2
        return torch.where(x > 1, torch.inf, x * 2 + 1)

    from_published_tensors = to_published_tensors = None  # pyright: ignore


def run(network: Any, x: Tensor) -> Any:
    engine = Engine(network, network, network)
    return engine._computed("VAE", network, lambda part, rows: part(rows), x)


def test_only_the_rows_that_overflowed_are_done_again() -> None:
    part = Overflowing().to(torch.bfloat16)
    x = torch.tensor([[0.5, 0.25], [0.5, 8.0], [0.0, 1.0]])
    for _ in range(2):
        found = run(part, x)
        assert torch.equal(found.result, torch.tensor([[2.0, 1.5], [1.0, 16.0], [1.0, 3.0]]))
        assert found.upcast == (False, True, False)
        assert found.note == "VAE computed in float32: bfloat16 overflowed"
    assert part.weight.dtype == torch.bfloat16, "other runs may be using it"
    assert part.seen == [3, 3]
    assert part.upcast().seen[1:] == [1, 1], "the copy was made after the first"


def test_what_is_finite_says_nothing() -> None:
    found = run(Overflowing().to(torch.bfloat16), torch.zeros(2, 3))
    assert (found.note, found.upcast) == (None, (False, False))


def test_nan_in_float32_is_an_error() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        with pytest.raises(NumericalError, match="VAE gave NaN or infinity, in float32 too"):
            run(Overflowing().to(dtype), torch.full((1, 2), torch.nan))


def test_a_network_that_is_moved_makes_a_new_copy() -> None:
    part = Overflowing().to(torch.bfloat16)
    copy = part.upcast()
    assert part.upcast() is copy
    assert part.to(torch.float16).upcast() is not copy


@pytest.mark.parametrize("forced", [True, False])
def test_force_upcast_of_a_vaes_config_is_honoured(
    tiny_v1: Path, forced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as on a GPU, which computes in what weights are stored in
    monkeypatch.setattr("kakusan.runtime.preparation.compute_dtype", lambda stored, device: stored)
    vae = kakusan.AutoencoderKL.from_pretrained(tiny_v1, subfolder="vae")
    assert vae.config.force_upcast, "the reference writes it"
    config = vae.config.to_published() | {"force_upcast": forced}
    half = kakusan.AutoencoderKL.from_config(config)
    half.load_state_dict(vae.state_dict())
    half = half.to(torch.float16).eval()
    vae = vae.to(torch.float16).to(torch.float32)  # rounded as the other is
    z = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        precise, found = vae.decode(z).sample, half.decode(z).sample
    assert half.compute_dtype == (torch.float32 if forced else torch.float16)
    assert half.stored_dtype == torch.float16
    assert torch.equal(precise, found) == forced
    assert half.to(torch.bfloat16).compute_dtype == torch.bfloat16, "it has float32's range"


def test_an_absent_force_upcast_forces_nothing() -> None:
    assert not kakusan.AutoencoderKL.from_config({}).config.force_upcast


def test_a_picture_and_its_latents_go_there_and_back(tiny_v1: Path) -> None:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    engine = pipe.engine
    assert isinstance(engine, Engine)
    pixels = torch.rand(2, 3, 64, 64) * 2 - 1
    latents = engine.encode_picture(pixels).result
    with torch.no_grad():
        expected = pipe.vae.encode(pixels).latent_dist.mode() * pipe.vae.config.scaling_factor
    assert torch.equal(latents, expected)
    assert engine.decode(latents).result.shape == pixels.shape
