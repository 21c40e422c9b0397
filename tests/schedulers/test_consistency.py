"""LCM and TCD beside the reference library: whole runs, and how they are asked for."""

import warnings
from itertools import pairwise
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import SCHEDULERS, LCMScheduler, Scheduler, TCDScheduler

ZERO_SNR: dict[str, Any] = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"prediction_type": "v_prediction"},
    {"prediction_type": "sample"},
    ZERO_SNR,
    {"clip_sample": True, "clip_sample_range": 0.7},
    {"thresholding": True, "sample_max_value": 1.5},
    {"original_inference_steps": 100},
    {"timestep_scaling": 3.0},
    {"set_alpha_to_one": False, "timestep_spacing": "trailing", "steps_offset": 1},
    {"beta_schedule": "linear"},
    {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    {"num_train_timesteps": 300},
]
KINDS = ["LCMScheduler", "TCDScheduler"]
ETAS = (0.0, 0.3, 1.0)


def both(name: str, **settings: Any) -> list[Any]:
    return [SCHEDULERS[name](**settings), getattr(diffusers, name)(**settings)]


def options(name: str) -> list[dict[str, Any]]:
    return [{"eta": eta} for eta in ETAS] if name == "TCDScheduler" else [{}]


def run(scheduler: Any, start: int = 0, **taken: Any) -> list[Tensor]:
    """All samples of a run, and what the model saw in the last."""
    noise = torch.Generator().manual_seed(3)
    x = torch.randn(2, 4, 5, 3, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    samples = [x]
    for t in scheduler.timesteps[start:]:
        output = torch.sin(1.3 * scheduler.scale_model_input(x, t) + float(t) / 300)
        x, _ = scheduler.step(output, t, x, generator=noise, return_dict=False, **taken)
        samples.append(x)
    return [*samples, torch.randn(1, generator=noise)]


def assert_equal(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for found, expected in zip(ours, theirs, strict=True):
        assert expected.isfinite().all()
        assert found.dtype == expected.dtype
        assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", KINDS)
def test_runs_equal_the_references(name: str) -> None:
    for settings in SETTINGS:
        ours, theirs = both(name, **settings)
        for steps in (1, 4) if settings else (1, 2, 3, 4, 7, 10, 20, 25, 50):
            for taken in options(name):
                for scheduler in (ours, theirs):
                    scheduler.set_timesteps(steps)
                assert torch.equal(ours.timesteps, theirs.timesteps), settings
                assert ours.timesteps.dtype == theirs.timesteps.dtype
                assert_equal(run(ours, **taken), run(theirs, **taken))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("name", KINDS)
def test_a_step_keeps_the_dtype(name: str, dtype: torch.dtype) -> None:
    scheduler = SCHEDULERS[name]()
    scheduler.set_timesteps(2)
    x = torch.ones(1, 2, 2, 2, dtype=dtype)
    assert scheduler.step(x, scheduler.timesteps[0], x).prev_sample.dtype == dtype


def test_what_lcm_calls_denoised_equals_the_references() -> None:
    ours, theirs = both("LCMScheduler")
    x = torch.linspace(-2, 2, 24).reshape(1, 2, 3, 4)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(50)
    for t in ours.timesteps:
        expected = theirs.step(x * 0.9, t, x).denoised
        assert torch.allclose(ours.denoised(x * 0.9, t, x), expected)
        assert torch.allclose(ours.step(x * 0.9, t, x).denoised, expected)


WAYS: list[dict[str, Any]] = [
    {"num_inference_steps": 4, "strength": 0.6},
    {"num_inference_steps": 1, "strength": 0.02},
    {"num_inference_steps": 4, "original_inference_steps": 10},
    {"num_inference_steps": 30, "original_inference_steps": 1000},
    {"num_inference_steps": 4, "original_inference_steps": 30, "strength": 0.5},
    {"timesteps": [800]},
    {"timesteps": [999, 700, 400, 100]},
    {"timesteps": [999, 700, 490, 10], "original_inference_steps": 3},
]


@pytest.mark.parametrize("name", KINDS)
def test_ways_to_ask_equal_the_references(name: str) -> None:
    for asked in WAYS:
        ours, theirs = both(name)
        for taken in options(name):
            for scheduler in (ours, theirs):
                scheduler.set_timesteps(**asked)
            assert torch.equal(ours.timesteps, theirs.timesteps), asked
            assert_equal(run(ours, **taken), run(theirs, **taken))


def test_published_timesteps() -> None:
    scheduler = LCMScheduler()
    for steps, expected in (
        (4, [999, 759, 499, 259]),
        (2, [999, 499]),
        (8, [999, 879, 759, 639, 499, 379, 259, 139]),
    ):
        scheduler.set_timesteps(steps)
        assert scheduler.timesteps.tolist() == expected
    scheduler.set_timesteps(4, "cpu", 50, None, 0.5)  # as the reference's arguments lie
    assert scheduler.timesteps.tolist() == [499, 379, 259, 139]


@pytest.mark.parametrize("name", KINDS)
def test_strength_cuts_given_timesteps_and_the_last_step_adds_no_noise(name: str) -> None:
    # The reference counts the steps that strength cut, so that its last one adds noise.
    cut: Any = SCHEDULERS[name]()
    short = SCHEDULERS[name]()
    cut.set_timesteps(timesteps=[999, 700, 400, 100], strength=0.5)
    short.set_timesteps(timesteps=[400, 100])
    assert cut.num_inference_steps == 2
    assert_equal(run(cut), run(short))


@pytest.mark.parametrize("name", KINDS)
def test_a_run_that_begins_midway_equals_the_references(name: str) -> None:
    ours, theirs = both(name)
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(6)
    theirs.set_begin_index(2)
    assert_equal(run(ours.fresh(2), 2), run(theirs, 2))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"num_inference_steps": 51}, "is more than the 50 .*take fewer"),
        ({"num_inference_steps": 4, "strength": 0.05}, "is more than the 2 .*strength 0.05"),
        ({"num_inference_steps": 4, "original_inference_steps": 3}, "is more than the 3"),
        ({"num_inference_steps": 4, "original_inference_steps": 1001}, "allowed: 1 to 1000"),
        ({"num_inference_steps": 4, "original_inference_steps": 0}, "original_inference_steps is"),
        ({"num_inference_steps": 4, "strength": 0}, "strength is 0"),
        ({"num_inference_steps": 4, "strength": float("nan")}, "strength is nan"),
        ({"timesteps": [10, 20]}, "must fall strictly"),
        ({"timesteps": [1000]}, "within 999 to 0"),
        ({"timesteps": [900, 1], "strength": 0.1}, "leaves none of 2 timesteps"),
        ({"timesteps": [900], "num_inference_steps": 1}, "exactly one"),
        ({"sigmas": [3.0, 0.0]}, "no custom sigmas"),
        ({}, "exactly one"),
    ],
)
def test_what_cannot_be_is_refused(asked: dict[str, Any], message: str) -> None:
    for name in KINDS:
        with pytest.raises(RequestError, match=message) as caught:
            SCHEDULERS[name]().set_timesteps(**asked)
        assert "\n" not in str(caught.value)


def test_a_config_that_cannot_run_is_refused_where_the_run_begins() -> None:
    with pytest.raises(RequestError, match="allowed: 1 to 10"):
        LCMScheduler(num_train_timesteps=10).set_timesteps(4)
    for kind in (LCMScheduler, TCDScheduler):
        with pytest.raises(RequestError, match="pure noise"):
            kind(rescale_betas_zero_snr=True).set_timesteps(4)
        with pytest.raises(RequestError, match="pure noise"):
            kind(rescale_betas_zero_snr=True).set_timesteps(timesteps=[999, 3])
    LCMScheduler(rescale_betas_zero_snr=True, clip_sample=True).set_timesteps(4)


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_eta_out_of_range_is_refused(eta: float) -> None:
    scheduler = TCDScheduler()
    scheduler.set_timesteps(4)
    x = torch.ones(1, 1, 2, 2)
    with pytest.raises(RequestError, match=r"eta is .*allowed: 0 \(deterministic\) to 1"):
        scheduler.step(x, scheduler.timesteps[0], x, eta=eta)


def test_without_eta_tcd_draws_nothing() -> None:
    scheduler: Scheduler = TCDScheduler()
    scheduler.set_timesteps(4)
    first, *_, last = run(scheduler, eta=0.0)
    assert torch.equal(last, torch.randn(1, generator=torch.Generator().manual_seed(3)))
    levels = [scheduler.sigma_at(t) for t in scheduler.timesteps]
    assert all(a > b for a, b in pairwise(levels))
    assert first.dtype == torch.float64


def test_a_config_of_another_scheduler_makes_them(recwarn: pytest.WarningsRecorder) -> None:
    published = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    published |= {"steps_offset": 1, "set_alpha_to_one": False, "skip_prk_steps": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pairs = [
            (
                SCHEDULERS[name].from_config(published),
                getattr(diffusers, name).from_config(published),
            )
            for name in KINDS
        ]
    for ours, theirs in pairs:
        for scheduler in (ours, theirs):
            scheduler.set_timesteps(4)
        assert_equal(run(ours), run(theirs))
    assert not recwarn.list
