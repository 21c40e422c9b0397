"""Names of AUTOMATIC1111 and ComfyUI walk as those tools do: k-diffusion's formulas, by hand."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.schedulers import PNDMScheduler, Scheduler, draw_noise, named_scheduler
from kakusan.schedulers.ladders import LADDERS, ladder_levels
from kakusan.schedulers.schedule import all_sigmas

BASE = PNDMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
)
KNOWN = all_sigmas(BASE.alphas_cumprod).astype(np.float64)
NOISE = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
V = PNDMScheduler.from_config(BASE.config, prediction_type="v_prediction")

Denoiser = Callable[[Tensor, float], Tensor]


def model(x: Tensor, t: float) -> Tensor:
    return torch.sin(1.3 * x + t / 300) + 0.3 * torch.tanh(x)


def timestep_of(sigma: float) -> float:
    return float(np.interp(math.log(sigma), np.log(KNOWN), np.arange(1000)))


def denoised(x: Tensor, sigma: float) -> Tensor:
    """k-diffusion's `CompVisDenoiser`: epsilon prediction, and timesteps by log sigma."""
    return x - sigma * model(x / (sigma**2 + 1) ** 0.5, timestep_of(sigma))


def v_denoised(x: Tensor, sigma: float) -> Tensor:
    """k-diffusion's `CompVisVDenoiser`."""
    output = model(x / (sigma**2 + 1) ** 0.5, timestep_of(sigma))
    return x / (sigma**2 + 1) - output * sigma / (sigma**2 + 1) ** 0.5


def euler(x: Tensor, sigmas: list[float], see: Denoiser, _noise: Any) -> Tensor:
    for now, then in pairwise(sigmas):
        x = x + (x - see(x, now)) / now * (then - now)
    return x


def euler_ancestral(x: Tensor, sigmas: list[float], see: Denoiser, noise: Any) -> Tensor:
    for now, then in pairwise(sigmas):
        up = min(then, (then**2 * (now**2 - then**2) / now**2) ** 0.5)
        down = (then**2 - up**2) ** 0.5
        x = x + (x - see(x, now)) / now * (down - now)
        if then > 0:
            x = x + noise() * up
    return x


def heun(x: Tensor, sigmas: list[float], see: Denoiser, _noise: Any) -> Tensor:
    for now, then in pairwise(sigmas):
        slope = (x - see(x, now)) / now
        if then == 0:
            x = x + slope * (then - now)
        else:
            ahead = x + slope * (then - now)
            x = x + (slope + (ahead - see(ahead, then)) / then) / 2 * (then - now)
    return x


def dpmpp_2m(x: Tensor, sigmas: list[float], see: Denoiser, _noise: Any) -> Tensor:
    old, last = None, 0.0
    for now, then in pairwise(sigmas):
        clean = see(x, now)
        if old is None or then == 0:
            guess = clean
        else:
            r = last / math.log(now / then)
            guess = (1 + 1 / (2 * r)) * clean - 1 / (2 * r) * old
        if then == 0:
            x = guess
        else:
            x = then / now * x - math.expm1(-math.log(now / then)) * guess
            last = math.log(now / then)
        old = clean
    return x


def ddpm(x: Tensor, sigmas: list[float], see: Denoiser, noise: Any) -> Tensor:
    """ComfyUI's `ddpm`: the posterior of arXiv:2006.11239, equation 7, at variance 1."""
    for now, then in pairwise(sigmas):
        kept, following = 1 / (now**2 + 1), 1 / (then**2 + 1)
        alpha = kept / following
        epsilon = (x - see(x, now)) / now
        x = x * kept**0.5
        x = (x - (1 - alpha) * epsilon / (1 - kept) ** 0.5) / alpha**0.5
        if then > 0:
            x = x + ((1 - alpha) * (1 - following) / (1 - kept)) ** 0.5 * noise()
        x = x / following**0.5
    return x


def ipndm(x: Tensor, sigmas: list[float], see: Denoiser, _noise: Any) -> Tensor:
    first = [[1.0], [3 / 2, -1 / 2], [23 / 12, -16 / 12, 5 / 12]]
    even = [*first, [55 / 24, -59 / 24, 37 / 24, -3 / 8]]
    return multistep(x, sigmas, see, lambda place: even[min(place, 3)])


def multistep(
    x: Tensor, sigmas: list[float], see: Denoiser, weights: Callable[[int], list[float]]
) -> Tensor:
    slopes: list[Tensor] = []
    for place, (now, then) in enumerate(pairwise(sigmas)):
        clean = see(x, now)
        slopes.insert(0, (x - clean) / now)
        mean = sum(w * slope for w, slope in zip(weights(place), slopes, strict=False))
        x = clean if then == 0 else x + (then - now) * mean
    return x


def ipndm_v(x: Tensor, sigmas: list[float], see: Denoiser, _noise: Any) -> Tensor:
    """ComfyUI's numbers for lengths of steps."""

    def weights(place: int) -> list[float]:
        a, b, c, d = ([0.0] * 4 + [t - s for s, t in pairwise(sigmas[: place + 2])])[:-5:-1]
        if place == 0:
            return [1.0]
        if place == 1:
            return [(2 + a / b) / 2, -(a / b) / 2]
        u = (1 - a / (3 * (a + b)) * (a * (a + b)) / (b * (b + c))) / 2
        found = [(2 + a / b) / 2 + u, -(a / b) / 2 - (1 + b / c) * u, u * b / c]
        if place == 2:
            return found
        v = (1 - a / (3 * (a + b))) / 2 + (1 - a / (2 * (a + b))) * a / (6 * (a + b + c))
        v *= (a * (a + b) * (a + b + c)) / (b * (b + c) * (b + c + d))
        r = b * (b + c) / (c * (c + d))
        return [
            found[0] + v,
            found[1] - (1 + b / c + r) * v,
            found[2] + (b / c + r * (1 + c / d)) * v,
            -v * r * b / c,
        ]

    return multistep(x, sigmas, see, weights)


SAMPLERS = {
    "ddpm": ddpm,
    "IPNDM": ipndm,
    "IPNDM_V": ipndm_v,
    "Euler": euler,
    "Euler a": euler_ancestral,
    "Heun": heun,
    "DPM++ 2M": dpmpp_2m,
}


def run(scheduler: Any) -> Tensor:
    """From the same noise to latents at variance or scale 1, which they end in alike."""
    x = NOISE * scheduler.init_noise_sigma
    noisy = "generator" in scheduler.step_options
    options = {"generator": torch.Generator().manual_seed(3)} if noisy else {}
    for t in scheduler.timesteps:
        output = model(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_run_is_k_diffusions(sampler: str) -> None:
    for schedule in LADDERS:
        # The ladders are compared number for number elsewhere; here one is walked in many steps.
        counts = (1, 2, 5, 20) if schedule == "uniform" else (1, 5)
        for base, see in ((BASE, denoised), (V, v_denoised)):
            for steps in counts:
                check_run(sampler, schedule, steps, base, see)


def check_run(sampler: str, schedule: str, steps: int, base: Scheduler, see: Denoiser) -> None:
    generator = torch.Generator()

    def noise() -> Tensor:
        return draw_noise(NOISE.shape, generator, dtype=torch.float64, device=torch.device("cpu"))

    scheduler: Any = named_scheduler(f"{sampler} {schedule}", base)
    scheduler.set_timesteps(steps)
    sigmas = ladder_levels(schedule, KNOWN, steps, discard=False).tolist()
    generator.manual_seed(3)
    expected = SAMPLERS[sampler](NOISE * sigmas[0], sigmas, see, noise)
    found = run(scheduler)
    if sampler == "DPM++ 2M":  # which is computed at variance 1
        found = found * (sigmas[-1] ** 2 + 1) ** 0.5
    error = (found - expected).abs().max() / expected.abs().max()
    assert error < 2e-5, (schedule, steps, float(error))


def test_a_plain_name_is_the_automatic_schedule() -> None:
    for plain, said in (("DPM++ 2M", "DPM++ 2M Karras"), ("Euler", "Euler Uniform")):
        first, second = named_scheduler(plain, BASE), named_scheduler(said, BASE)
        first.set_timesteps(7)
        second.set_timesteps(7)
        assert torch.equal(first.timesteps, second.timesteps)


@pytest.mark.parametrize("name", ["Euler", "Heun", "DPM++ 2M", "Euler Karras"])
def test_noise_is_added_as_the_levels_say(name: str) -> None:
    scheduler: Any = named_scheduler(name, BASE)
    scheduler.set_timesteps(10)
    clean = torch.full_like(NOISE, 0.7)
    t = scheduler.timesteps[4 * scheduler.order - (scheduler.order > 1)]
    noised = scheduler.add_noise(clean, NOISE, t[None])
    sigma = scheduler.sigma_at(t)
    scale = (sigma**2 + 1) ** -0.5 if name == "DPM++ 2M" else 1.0
    assert torch.allclose(noised, (clean + sigma * NOISE) * scale, rtol=1e-5)


def test_timesteps_of_ones_own_replace_a_ladder_that_nobody_asked_for() -> None:
    scheduler: Any = named_scheduler("DPM++ 2M Uniform", BASE)
    scheduler.set_timesteps(timesteps=[900, 500, 20])
    assert scheduler.timesteps.tolist() == [900.0, 500.0, 20.0]
    with pytest.raises(ValueError, match="contradict sigma_schedule='karras'; set that to None"):
        named_scheduler("DPM++ 2M", BASE).set_timesteps(timesteps=[900, 500, 20])


def test_zero_snr_walks_a_ladder() -> None:
    base = PNDMScheduler.from_config(
        BASE.config, prediction_type="v_prediction", rescale_betas_zero_snr=True
    )
    for name in ("Euler", "Euler Karras", "DPM++ 2M", "Euler a SGM Uniform"):
        scheduler: Any = named_scheduler(name, base)
        scheduler.set_timesteps(6)
        assert scheduler.sigmas[0] == pytest.approx(4096, rel=1e-3)
        assert run(scheduler).isfinite().all()
