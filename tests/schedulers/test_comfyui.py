"""Whole runs beside those that ComfyUI, Forge and k-diffusion made, see tests/oracle/comfyui.py."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.schedulers import DPMFastScheduler, RestartScheduler, named_scheduler
from kakusan.schedulers.euler import EulerDiscreteScheduler
from tests.oracle import comfyui as made
from tests.oracle.k_diffusion import LEAST, MOST, first_noise, noise_of

GOLDEN = np.load(made.FILE)
BASE = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def walked(scheduler: Any, options: dict[str, Any]) -> Tensor:
    """A run from noise, whose model is told noise levels."""
    x = first_noise() * float(scheduler.model_sigmas[0])
    if "generator" in scheduler.step_options:
        options = {**options, "generator": torch.Generator().manual_seed(3)}
    for index, t in enumerate(scheduler.timesteps):
        level = float(scheduler.model_sigmas[index])
        shown = scheduler.scale_model_input(x, t)
        output = noise_of(shown, level)
        if scheduler.parts_guidance:
            negative = made.negative_noise_of(shown, level)
            output = negative + made.GUIDANCE * (output - negative)
            options = {**options, "unconditional": negative}
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


def assert_close(found: Tensor, name: str, place: int) -> None:
    wanted = torch.from_numpy(GOLDEN[name])[place]
    assert found.dtype == wanted.dtype
    assert wanted.isfinite().all()
    error = (found - wanted).abs().max() / wanted.abs().max()
    assert error <= 1e-5, f"{name}, {place}: relative error {error:.2e}"


@pytest.mark.parametrize("name", made.CASES)
def test_runs_equal_comfyuis(name: str) -> None:
    _, settings = made.CASES[name]
    scheduler: Any = named_scheduler(name.partition(",")[0], BASE)
    own = scheduler.config.names()
    scheduler.register_to_config(
        sigma_schedule=None, **{k: v for k, v in settings.items() if k in own}
    )
    options = {k: v for k, v in settings.items() if k not in own}
    for ladder, sigmas_of in made.LADDERS.items():
        for place, steps in enumerate(made.STEPS):
            scheduler.set_timesteps(sigmas=sigmas_of(steps).tolist())
            assert_close(walked(scheduler, options), f"{name}/{ladder}", place)


@pytest.mark.parametrize("ladder", made.LADDERS)
def test_restart_is_the_web_uis(ladder: str) -> None:
    scheduler: Any = named_scheduler("Restart", BASE)
    for place, steps in enumerate(made.RESTART_STEPS):
        scheduler.set_timesteps(sigmas=made.LADDERS[ladder](steps).tolist())
        assert scheduler.num_inference_steps == steps
        assert len(scheduler.timesteps) == 2 * steps - 1
        assert_close(walked(scheduler, {}), f"Restart/{ladder}", place)


@pytest.mark.parametrize("name", made.FAST)
def test_dpm_fast_is_k_diffusions(name: str) -> None:
    scheduler = DPMFastScheduler(**made.FAST[name])
    for place, steps in enumerate(made.STEPS):
        levels = np.geomspace(MOST, LEAST, steps + 1)
        scheduler.set_timesteps(sigmas=levels.tolist())
        assert len(scheduler.timesteps) == steps
        assert_close(walked(scheduler, {}), name, place)


def test_dpm_fast_goes_between_the_ends_of_the_schedule_or_of_a_ladder() -> None:
    automatic1111, comfyui = (named_scheduler(n, BASE) for n in ("DPM fast", "dpm_fast/simple"))
    for scheduler, ends, eta in (
        (automatic1111, (14.6146, 0.02917), 1.0),
        (comfyui, (14.6146, 0.3417), 0.0),
    ):
        scheduler.set_timesteps(10)
        assert scheduler.config["eta"] == eta
        assert scheduler.init_noise_sigma == pytest.approx(ends[0], 1e-5)
        assert [float(scheduler.sigmas[place]) for place in (0, -1)] == pytest.approx(ends, 1e-3)


def test_a_restart_goes_back_up_and_no_step_begins_elsewhere() -> None:
    scheduler = RestartScheduler.from_config(BASE.config, sigma_schedule="karras")
    scheduler.set_timesteps(40)
    levels = scheduler.sigmas[list(scheduler.starts)].tolist()
    ups = [(a, b) for a, b in pairwise(levels) if a < b]
    assert len(ups) == 2
    scheduler.set_timesteps(19)
    assert scheduler.sigmas[:-1].diff().max() <= 0
