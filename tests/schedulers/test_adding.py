"""What a new scheduler costs: its formula, a line in the registry, and what it is called."""

import importlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.samplers import Sampler, meanings, table
from kakusan.schedulers import (
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    SchedulerOutput,
    ladders,
    named_scheduler,
    names,
    registry,
    spacings,
)
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler

BASE = PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


@dataclass(frozen=True, kw_only=True, eq=False)
class PlainConfig(SpacedConfig):
    class_name = "PlainScheduler"


class PlainScheduler(UnscaledSigmaScheduler[PlainConfig]):
    """Euler's method, no more; `gain` stretches each step."""

    config_class = PlainConfig

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, gain: float = 1.0
    ) -> SchedulerOutput:
        slope = (x - seen.clean) / now.sigma
        return SchedulerOutput(x + gain * slope * (then.sigma - now.sigma), seen.clean)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The line in the registry, `from ... import PlainScheduler as PlainScheduler`, and the row."""
    row = Sampler("plain", "PlainScheduler", "Plain", None, automatic="uniform")
    monkeypatch.setattr(table, "SAMPLERS", (*table.SAMPLERS, row))
    meanings._meanings.cache_clear()
    registry.PlainScheduler = PlainScheduler  # pyright: ignore[reportAttributeAccessIssue]
    importlib.reload(names)
    yield
    del registry.PlainScheduler  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.undo()
    meanings._meanings.cache_clear()
    importlib.reload(names)


def model(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(2 * x + t / 200)


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", ["plain", "PlainScheduler", "Plain Karras"])
def test_a_new_scheduler_runs(name: str) -> None:
    scheduler = names.named_scheduler(name, BASE)
    assert type(scheduler) is PlainScheduler
    scheduler.set_timesteps(6)
    noise = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0))
    x = noise * scheduler.init_noise_sigma
    by_hand, sigmas = x.clone(), scheduler.sigmas.tolist()
    for index, t in enumerate(scheduler.timesteps):
        output = model(scheduler.scale_model_input(x, t), t)
        denoised = scheduler.denoised(output, t, x)
        x = scheduler.step(output, t, x, gain=1.1).prev_sample

        sigma, following = sigmas[index : index + 2]
        predicted = model(by_hand / (sigma**2 + 1) ** 0.5, t)
        assert torch.allclose(denoised, by_hand - sigma * predicted, atol=1e-5)
        by_hand = by_hand + 1.1 * predicted * (following - sigma)
        assert torch.allclose(x, by_hand, atol=1e-5)


@pytest.mark.usefixtures("registered")
def test_a_new_scheduler_has_what_every_one_has() -> None:
    assert names.SCHEDULERS["PlainScheduler"] is PlainScheduler
    assert names.SHORT_NAMES["plain"][0] is PlainScheduler
    assert PlainScheduler.step_options == {"gain"}
    scheduler = names.named_scheduler("Plain", BASE)
    assert names.short_name(scheduler) == "plain"
    assert names.short_name(names.named_scheduler("plain karras", BASE)) == "plain karras"
    again = EulerDiscreteScheduler.from_config(scheduler.config)
    assert again.config.beta_end == 0.012


def even(sigma_max: float, sigma_min: float, steps: int) -> spacings.Floats:
    return np.linspace(sigma_max, sigma_min, steps)


def test_a_new_spacing_is_a_function_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(spacings.SIGMA_SPACINGS, "beta", even)  # whose setting is there
    for kind in (EulerDiscreteScheduler, HeunDiscreteScheduler, DPMSolverMultistepScheduler):
        scheduler = kind.from_config(BASE.config, use_beta_sigmas=True)
        scheduler.set_timesteps(5)
        ladder = scheduler.sigmas.unique().flip(0)[:-1]
        assert torch.allclose(ladder.diff(), ladder.diff()[0], rtol=1e-4)


def test_a_new_ladder_is_a_function_and_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def ladder(known: spacings.Floats, steps: int) -> spacings.Floats:
        return np.append(even(known[-1], known[0], steps), 0.0)

    monkeypatch.setitem(ladders.LADDERS, "turbo", ladder)
    for sampler in ("Euler Turbo", "Euler a Turbo", "Heun Turbo", "DPM++ 2M Turbo"):
        scheduler = named_scheduler(sampler, BASE)
        scheduler.set_timesteps(5)
        levels = scheduler.sigmas.unique().flip(0)[:-1]
        assert torch.allclose(levels.diff(), levels.diff()[0], rtol=1e-4)
