"""Zero terminal SNR beside the reference, and settings that are another scheduler's."""

import inspect
import warnings
from itertools import product
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import (
    SCHEDULERS,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    TCDScheduler,
)
from tests.schedulers.reference import IN_REFERENCE

# The reference calls numpy and torch in ways that they warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

CURVES = [("scaled_linear", 0.012), ("scaled_linear", 0.02), ("linear", 0.02)]
HAVING = [
    name
    for name, kind in SCHEDULERS.items()
    if "rescale_betas_zero_snr" in kind.config_class.names()
]
LACKING = [name for name in SCHEDULERS if name not in HAVING]


def both(name: str, settings: dict[str, Any]) -> list[Any]:
    """Ours and the reference's, of a config that may be another scheduler's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [
            SCHEDULERS[name].from_config(settings),
            getattr(diffusers, name).from_config(settings),
        ]


def run(scheduler: Any, steps: int, taken: int | None = None) -> Tensor:
    """The sample at the end, or after the first steps of a run."""
    scheduler.set_timesteps(steps)
    x = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    x = x * scheduler.init_noise_sigma
    noisy = "generator" in inspect.signature(scheduler.step).parameters
    options = {"generator": torch.Generator().manual_seed(3)} if noisy else {}
    for t in scheduler.timesteps[:taken]:
        output = torch.sin(1.3 * scheduler.scale_model_input(x, t) + float(t) / 300)
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


def assert_equal(ours: Any, theirs: Any, steps: int, taken: int | None = None) -> None:
    found, expected = run(ours, steps, taken), run(theirs, steps, taken)
    assert torch.equal(ours.timesteps, theirs.timesteps), ours
    assert expected.isfinite().all(), ours
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max(), ours


@pytest.mark.parametrize("name", [each for each in HAVING if each in IN_REFERENCE])
def test_every_scheduler_that_has_it_equals_the_references(name: str) -> None:
    spacings, predictions = ("linspace", "leading", "trailing"), ("epsilon", "v_prediction")
    for curve, prediction, spacing in product(CURVES, predictions, spacings):
        settings = {
            "beta_schedule": curve[0],
            "beta_end": curve[1],
            "prediction_type": prediction,
            "timestep_spacing": spacing,
            "rescale_betas_zero_snr": True,
        }
        ours, theirs = both(name, settings)
        if isinstance(ours, LCMScheduler | TCDScheduler) and prediction == "epsilon":
            with pytest.raises(RequestError, match="pure noise"):  # the reference makes NaN
                ours.set_timesteps(7)
            continue
        assert_equal(ours, theirs, 1)
        assert_equal(ours, theirs, 50, taken=4)  # pure noise is at the top
        if prediction == "v_prediction":
            assert_equal(ours, theirs, 7)


@pytest.mark.parametrize("settings", [{}, {"use_karras_sigmas": True}])
def test_a_schedule_that_rises_by_rounding_at_its_top_runs(settings: dict[str, Any]) -> None:
    settings |= {"beta_end": 0.02, "beta_schedule": "scaled_linear", "rescale_betas_zero_snr": True}
    ours, theirs = both("EulerDiscreteScheduler", settings)
    assert EulerDiscreteScheduler(**settings).init_noise_sigma == float(theirs.init_noise_sigma)
    assert_equal(ours, theirs, 1000, taken=8)
    assert torch.equal(ours.sigmas, theirs.sigmas)


@pytest.mark.parametrize("kind", [EulerAncestralDiscreteScheduler, DPMSolverMultistepScheduler])
def test_where_the_reference_gives_nan_fewer_steps_are_asked_for(kind: Any) -> None:
    scheduler = kind(beta_start=0.00085, beta_end=0.02, rescale_betas_zero_snr=True)
    with pytest.raises(RequestError, match="equal noise levels"):
        scheduler.set_timesteps(1000)


# Settings that some scheduler has; the others keep them and are not changed by them.
KEPT: list[dict[str, Any]] = [
    {"rescale_betas_zero_snr": True},
    {"use_karras_sigmas": True},
    {"use_exponential_sigmas": True},
    {"use_beta_sigmas": True},
    {"use_flow_sigmas": True},
    {"use_lu_lambdas": True},
    {"final_sigmas_type": "sigma_min"},
    {"sigma_min": 0.2, "sigma_max": 7.0},
    {"set_alpha_to_one": True},
    {"set_alpha_to_one": False},
    {"clip_sample": True, "clip_sample_range": 0.3},
    {"thresholding": True},
    {"skip_prk_steps": False},
    {"lambda_min_clipped": -2.0},
    {"interpolation_type": "log_linear"},
    {"timestep_type": "continuous"},
    {"variance_type": "fixed_large"},
    {"algorithm_type": "sde-dpmsolver++"},
]
PLAIN = {"beta_end": 0.012, "beta_schedule": "scaled_linear", "clip_sample": False}
PLAIN |= {"skip_prk_steps": True}


@pytest.mark.parametrize("name", IN_REFERENCE)
def test_a_setting_of_another_scheduler_is_kept_and_does_not_act(name: str) -> None:
    kind = SCHEDULERS[name]
    _, theirs = both(name, PLAIN)  # whose constructor takes its time, and drops what it has not
    expected = run(theirs, 4)
    for kept in KEPT:
        if set(kept) & set(kind.config_class.names()):
            continue
        ours = kind.from_config(PLAIN | kept)
        assert (run(ours, 4) - expected).abs().max() <= 1e-5 * expected.abs().max(), kept
        assert torch.equal(ours.timesteps, theirs.timesteps)
        for key, value in kept.items():
            assert ours.config[key] == value
        without = {k: v for k, v in PLAIN.items() if k not in kept}
        assert torch.equal(run(ours, 4), run(kind.from_config(without), 4)), kept


def test_custom_timesteps_are_not_refused_for_anothers_spacing() -> None:
    for name in LACKING:
        scheduler = SCHEDULERS[name].from_config({"use_karras_sigmas": True})
        if scheduler.takes_timesteps and not scheduler.sigma_spacings():
            scheduler.set_timesteps(timesteps=[900, 100])


def test_null_switches_are_off() -> None:
    for name, each in SCHEDULERS.items():
        kind = each.config_class
        switches = [key for key in kind.names() if isinstance(getattr(kind, key), bool)]
        scheduler = each.from_config(dict.fromkeys(switches))
        assert all(scheduler.config[key] is False for key in switches), name
