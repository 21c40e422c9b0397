"""Noise by other tools' rules: their own numbers, and runs that they made."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.request.randomness import RNGS
from kakusan.schedulers import (
    EulerDiscreteScheduler,
    draw_noise,
    named_scheduler,
    rewinder,
    seeded,
)
from kakusan.schedulers.brownian import BrownianNoise
from kakusan.schedulers.philox import philox_normal
from kakusan.schedulers.tool_noise import RULES, PictureNoise, Seeding
from tests.oracle import webui_noise as made
from tests.oracle.k_diffusion import noise_of

MADE: dict[str, Any] = dict(np.load(made.FILE))
BASE = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
SHAPE = (1, 4, 7, 6)
BIG = (1, 4, 64, 64)


def torch_normal(seed: int, *shapes: Sequence[int], dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    drawn = [torch.randn(*shape, generator=generator, dtype=dtype) for shape in shapes]
    return torch.stack(drawn)


def noise_by(rng: str | None, seed: int = 5, **more: Any) -> PictureNoise:
    return PictureNoise(Seeding(rng=rng, seed=seed, **more))


def drawn(noise: PictureNoise, count: int = 3, shape: Sequence[int] = SHAPE) -> Tensor:
    return torch.stack([noise.normal(shape) for _ in range(count)])


def seeding_of(case: str, rng: str, picture: int) -> Seeding:
    told, ensd = made.CASES[case]
    variation = resized = None
    if "subseeds" in told:
        variation = (told["subseeds"][picture], told["subseed_strength"])
    if "seed_resize_from_h" in told:
        resized = (told["seed_resize_from_h"] // 8, told["seed_resize_from_w"] // 8)
    seed = made.SEEDS[picture]
    return Seeding(rng=rng, seed=seed, ensd=ensd, variation=variation, resized_from=resized)


# Of seed, and of how many tensors were drawn before: the tool's own numbers
GOLDENS = {
    (0, 0): (-0.92466259, -0.42534415, -2.6438457, 0.14518388, -0.12086647, -0.57972564),
    (0, 1): (0.18082595, -0.5522627, 0.9238134, -0.7349705),
    (1, 0): (-0.29627788, 2.676448, -0.14084639, -0.8440951),
    (2**32 + 1, 0): (0.85489404, -0.11420233, -1.0717552, 1.6957645),
}


@pytest.mark.parametrize(("seed", "offset"), GOLDENS)
def test_philox_draws_what_cuda_draws(seed: int, offset: int) -> None:
    known = GOLDENS[seed, offset]
    numbers = philox_normal((3, 4), seed, offset).ravel()[: len(known)]
    assert numbers.tolist() == pytest.approx(known, abs=1e-6)


def test_philox_is_normal_fast_and_begins_the_same_at_any_length() -> None:
    began = time.perf_counter()
    numbers = philox_normal((1, 4, 256, 256), 2**63 + 7, 0)
    assert time.perf_counter() - began < 2
    assert (numbers.dtype, numbers.shape) == (np.float32, (1, 4, 256, 256))
    assert abs(numbers.mean()) < 0.01
    assert abs(numbers.std() - 1) < 0.01
    assert np.array_equal(philox_normal((5, 7), 2**63 + 7, 0).ravel(), numbers.ravel()[:35])
    assert len(np.unique(numbers)) > 0.9 * numbers.size


@pytest.mark.parametrize("rng", made.SOURCES)
@pytest.mark.parametrize("case", made.CASES)
def test_noise_is_automatic1111s_to_the_bit(rng: str, case: str) -> None:
    whole = torch.from_numpy(MADE[f"{rng}/{case}"])  # (draws, pictures, 4, h, w)
    for picture in range(len(made.SEEDS)):
        noise = PictureNoise(seeding_of(case, rng, picture))
        assert torch.equal(drawn(noise, made.DRAWS)[:, 0], whole[:, picture])


@pytest.mark.parametrize("rng", made.SOURCES)
@pytest.mark.parametrize("run", made.RUNS)
def test_a_run_is_k_diffusions_in_the_web_ui(rng: str, run: str) -> None:
    kept = torch.from_numpy(MADE[f"{rng}/{run}"])
    for picture, seed in enumerate(made.SEEDS):
        noise = noise_by(rng, seed, ensd=31337)
        scheduler = named_scheduler(run, BASE)
        scheduler.set_timesteps(made.STEPS)
        x = draw_noise(SHAPE, noise, dtype=torch.float32, device=torch.device("cpu"))
        x = x * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            level = scheduler.sigma_at(t)
            output = noise_of(scheduler.scale_model_input(x, t), level)
            x = scheduler.step(output, t, x, generator=noise).prev_sample
        torch.testing.assert_close(x[0], kept[picture], rtol=2e-4, atol=2e-4)


def test_gpu_numbers_are_nv_numbers() -> None:
    for other in ("webui-gpu", "sdcpp-cuda"):
        assert torch.equal(drawn(noise_by("webui-nv")), drawn(noise_by(other)))
    for other in ("sdcpp-cpu", "diffusers"):
        assert torch.equal(drawn(noise_by("webui-cpu")), drawn(noise_by(other)))


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 1, 2**32 + 1, 2**64 - 1])
def test_comfyui_draws_on_the_cpu_and_goes_on_with_the_next_seed(seed: int) -> None:
    for rng in ("comfyui", "fooocus"):
        first, *further = drawn(noise_by(rng, seed), shape=BIG)
        assert torch.equal(first, torch_normal(seed, BIG)[0])
        assert torch.equal(torch.stack(further), torch_normal((seed + 1) % 2**64, BIG, BIG))
    first, *further = drawn(noise_by("comfyui-gpu", seed))
    assert torch.equal(first, torch_normal(seed, SHAPE)[0])
    for offset, each in enumerate(further):
        assert np.array_equal(each.numpy(), philox_normal(SHAPE, seed, offset))


def test_invokeai_inverts_the_seed_and_draws_in_half_precision_on_cuda() -> None:
    first, *further = drawn(noise_by("invokeai"), shape=BIG)
    assert torch.equal(first, torch_normal(5, BIG)[0])
    assert torch.equal(torch.stack(further), torch_normal(5 ^ 0xFFFFFFFF, BIG, BIG))
    first, second = drawn(noise_by("invokeai-gpu"), 2)
    assert torch.equal(first, torch_normal(5, SHAPE, dtype=torch.float16)[0].float())
    assert np.array_equal(second.numpy(), philox_normal(SHAPE, 5 ^ 0xFFFFFFFF, 0))
    assert noise_by("invokeai").path_seed == 0


def test_without_a_tool_the_numbers_are_kakusans_own() -> None:
    for seed in (5, 2**40 + 5):
        generator = seeded(seed)
        own = torch.stack([torch.randn(SHAPE, generator=generator) for _ in range(3)])
        assert torch.equal(drawn(noise_by(None, seed)), own)
        again = drawn(noise_by(None, seed, ensd=3))
        assert torch.equal(again[0], own[0])
        assert torch.equal(again[1:], drawn(noise_by(None, seed + 3))[:2])


@pytest.mark.parametrize("rng", [None, *RNGS])
def test_a_stream_can_be_gone_back_in(rng: str | None) -> None:
    noise = noise_by(rng, variation=(9, 0.25), resized_from=(5, 9))
    back = rewinder(noise)
    whole = drawn(noise)
    back()
    assert torch.equal(drawn(noise), whole)
    back()
    first = noise.normal(SHAPE)
    back_to_second = rewinder(noise)
    assert torch.equal(first, whole[0])
    for _ in range(2):
        assert torch.equal(noise.normal(SHAPE), whole[1])
        back_to_second()


def test_every_name_has_its_rule() -> None:
    assert set(RULES) == {None, *RNGS}


def test_a_path_is_drawn_with_the_tools_numbers() -> None:
    x, ends = torch.zeros(SHAPE), torch.tensor([14.6, 0.03])
    paths = {
        rng: BrownianNoise.of(ends, x, noise_by(rng), None).between(*ends, x)
        for rng in (None, "webui-cpu", "comfyui", "webui-nv", "comfyui-gpu")
    }
    own = BrownianNoise.of(ends, x, seeded(5), None).between(*ends, x)
    for rng in (None, "webui-cpu", "comfyui"):
        assert torch.equal(paths[rng], own)
    assert torch.equal(paths["webui-nv"], paths["comfyui-gpu"])
    assert not torch.equal(paths["webui-nv"], own)


def test_a_variation_of_a_single_row_is_refused() -> None:
    with pytest.raises(RequestError, match="1 rows is too low"):
        noise_by("webui-nv", variation=(9, 0.5)).normal((1, 4, 1, 16))
