"""Whole runs beside those that k-diffusion made, see tests/oracle/k_diffusion.py."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.schedulers import DPMSolverSDEScheduler, Scheduler, named_scheduler
from kakusan.schedulers.euler import EulerDiscreteScheduler
from tests.oracle import k_diffusion as made

GOLDEN = np.load(made.FILE)
BASE = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
# Where the tree is asked at levels that were rounded by a logarithm, a digit of another machine's
# moves the noise by a thousandth.
ROUNDED = 5e-3


def expected(name: str) -> Tensor:
    return torch.from_numpy(GOLDEN[name])


def assert_close(found: Tensor, wanted: Tensor, tolerance: float = 1e-6) -> None:
    assert found.dtype == wanted.dtype
    assert wanted.isfinite().all()
    error = (found - wanted).abs().max() / wanted.abs().max()
    assert error <= tolerance, f"relative error {error:.2e}"


def started(name: str, ladder: str, steps: int) -> tuple[Scheduler, dict[str, Any]]:
    """The scheduler of k-diffusion's function on a ladder, and options for its steps."""
    function, settings = made.CASES[name]
    scheduler = named_scheduler(function, BASE)
    own = scheduler.config.names()
    scheduler.register_to_config(**{k: v for k, v in settings.items() if k in own})
    options = {k: v for k, v in settings.items() if k not in own}
    sigmas = made.LADDERS[ladder](steps)
    if scheduler.takes_sigmas:
        scheduler.set_timesteps(sigmas=sigmas.tolist())
    else:
        scheduler._plan_sigmas(sigmas.tolist())  # the reference's takes none
        scheduler._keep_timesteps(None)
    if "sde" in function:
        options["generator"] = [torch.Generator().manual_seed(seed) for seed in made.SEEDS]
    elif "generator" in scheduler.step_options:
        options["generator"] = torch.Generator().manual_seed(3)
    return scheduler, options


def run(scheduler: Any, options: dict[str, Any], start: float) -> Tensor:
    x = made.first_noise() * start
    for index, t in enumerate(scheduler.timesteps):
        shown = float(scheduler.model_sigmas[index])
        if scheduler.config.class_name == "DPMSolverMultistepScheduler":
            grown = x * (shown**2 + 1) ** 0.5  # its latents keep variance 1
            output = made.noise_of(grown / (shown**2 + 1) ** 0.5, shown)
        else:
            output = made.noise_of(scheduler.scale_model_input(x, t), shown)
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


@pytest.mark.parametrize("name", made.CASES)
def test_runs_equal_k_diffusions(name: str) -> None:
    for ladder in made.LADDERS:
        rounded = name.startswith("dpmpp_sde") and ladder != "halves"
        for steps, wanted in zip(
            made.steps_of(name, ladder), expected(f"{name}/{ladder}"), strict=True
        ):
            scheduler, options = started(name, ladder, steps)
            start = float(scheduler.model_sigmas[0])
            if scheduler.config.class_name == "DPMSolverMultistepScheduler":
                start /= (start**2 + 1) ** 0.5
            assert_close(run(scheduler, options, start), wanted, ROUNDED if rounded else 1e-5)


@pytest.mark.parametrize("index", range(len(made.REFERENCE)))
def test_runs_of_dpm_solver_sde_equal_the_references(index: int) -> None:
    settings = {"beta_schedule": "scaled_linear", "noise_sampler_seed": 4, **made.REFERENCE[index]}
    scheduler = DPMSolverSDEScheduler(**settings)
    timesteps: list[Tensor] = []
    for steps, wanted in zip(made.STEPS, expected(f"reference/{index}"), strict=True):
        scheduler.set_timesteps(steps)
        timesteps.append(scheduler.timesteps)
        assert_close(made.run_reference(scheduler), wanted, ROUNDED)
    assert torch.allclose(torch.cat(timesteps), expected(f"timesteps/{index}"), rtol=0, atol=1e-4)
