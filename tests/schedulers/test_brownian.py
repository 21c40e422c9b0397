"""Noise of a Brownian path: torchsde's numbers, and one path for each picture of a run."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import (
    SHORT_NAMES,
    DPMSolverSDEScheduler,
    EulerDiscreteScheduler,
    Generators,
    named_scheduler,
)
from kakusan.schedulers.brownian import BrownianNoise
from tests.oracle import k_diffusion as made

BASE = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
BROWNIAN = ["dpmpp-sde", "dpmpp-2m-sde", "dpmpp-2m-sde-heun", "dpmpp-3m-sde"]
X = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn(noise: BrownianNoise, start: float, end: float, like: Tensor = X) -> Tensor:
    ends = torch.tensor([start, end], dtype=torch.float64)
    return noise.between(ends[0], ends[1], like)


def run(name: str, x: Tensor, generator: Generators, **settings: Any) -> Tensor:
    scheduler = named_scheduler(name, BASE)
    scheduler.register_to_config(**settings)
    scheduler.set_timesteps(5)
    for t in scheduler.timesteps:
        output = torch.sin(scheduler.scale_model_input(x, t) * 2 + t / 200)
        x = scheduler.step(output, t, x, generator=generator).prev_sample
    return x


@pytest.mark.parametrize("seed", [0, *made.SEEDS])
def test_the_path_is_torchsdes(seed: int) -> None:
    noise = BrownianNoise(*torch.tensor([0.0291671, 14.6146412]).tolist(), seed)
    like = made.first_noise()
    for query, wanted in zip(made.QUERIES, np.load(made.FILE)[f"tree/{seed}"], strict=True):
        start, end = (torch.tensor(each) for each in query)
        found = noise.between(start, end, like)
        assert torch.allclose(found, torch.from_numpy(wanted), rtol=1e-12, atol=1e-12)


def test_the_halves_of_a_way_make_up_the_whole() -> None:
    noise = BrownianNoise(0.03, 14.6, 3)
    whole = drawn(noise, 10, 2) * (10 - 2) ** 0.5
    halves = drawn(noise, 10, 5) * (10 - 5) ** 0.5 + drawn(noise, 5, 2) * (5 - 2) ** 0.5
    assert torch.allclose(whole, halves)


def test_it_is_standard_normal_noise() -> None:
    noise = drawn(BrownianNoise(0.03, 14.6, 3), 7.5, 0.3, torch.zeros(1, 4, 96, 96))
    assert abs(float(noise.mean())) < 0.02
    assert abs(float(noise.std()) - 1) < 0.02


@pytest.mark.parametrize("name", BROWNIAN)
def test_a_picture_is_the_same_alone_and_in_a_batch(name: str) -> None:
    together = run(name, X, [seeded(5), seeded(6)])
    alone = torch.cat([run(name, X[:1], seeded(5)), run(name, X[1:], [seeded(6)])])
    assert torch.equal(together, alone)
    assert not torch.allclose(run(name, X, [seeded(5), seeded(7)])[1], together[1])


@pytest.mark.parametrize("name", BROWNIAN)
def test_the_path_does_not_depend_on_what_a_generator_has_drawn(name: str) -> None:
    used = seeded(5)
    torch.randn(7, generator=used)
    before = used.get_state()
    assert torch.equal(run(name, X, used), run(name, X, seeded(5)))
    assert torch.equal(used.get_state(), before)


@pytest.mark.parametrize("name", BROWNIAN)
def test_without_a_generator_torchs_global_one_says_the_seed(name: str) -> None:
    results: list[Tensor] = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        results.append(run(name, X, None))
    assert torch.equal(results[0], results[1])
    assert not torch.allclose(results[0], results[2])
    torch.manual_seed(1)
    first = int(torch.randint(0, 2**63 - 1, []))
    assert torch.equal(run(name, X, seeded(first)), results[0])


@pytest.mark.parametrize("name", BROWNIAN)
def test_as_many_generators_as_pictures_are_asked_for(name: str) -> None:
    with pytest.raises(RequestError, match="1 entries but 2 pictures"):
        run(name, X, [seeded(1)])


def test_a_seed_among_the_settings_counts_before_a_generators() -> None:
    with_seed = run("dpmpp-sde", X, [seeded(1), seeded(2)], noise_sampler_seed=4)
    assert torch.equal(with_seed, run("dpmpp-sde", X, None, noise_sampler_seed=4))
    assert torch.equal(with_seed, run("dpmpp-sde", X, seeded(4)))


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, True, "4", [1, 2]])
def test_a_setting_that_is_no_seed_is_refused(seed: Any) -> None:
    with pytest.raises(RequestError, match=r"noise_sampler_seed=.* must be a whole number from 0"):
        DPMSolverSDEScheduler(noise_sampler_seed=seed)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", BROWNIAN)
def test_latents_keep_their_dtype(name: str, dtype: torch.dtype) -> None:
    result = run(name, X.to(dtype) * 14.6, seeded(1))
    assert result.dtype == dtype
    assert result.isfinite().all()


def test_which_samplers_have_such_noise() -> None:
    for name in SHORT_NAMES:
        scheduler = named_scheduler(name, BASE)
        scheduler.set_timesteps(3)
        generator = seeded(3)
        options = {"generator": generator} if "generator" in scheduler.step_options else {}
        if scheduler.is_deterministic or not options or name == "restart":  # of more steps
            continue
        before = generator.get_state()
        x = X.clone()
        for t in scheduler.timesteps[: scheduler.starts[1]]:
            x = scheduler.step(x, t, x, **options).prev_sample
        draws = not torch.equal(generator.get_state(), before)
        assert draws == (not name.startswith(tuple(BROWNIAN)))
