"""Every scheduler beside the reference library: whole runs with a model that depends on x and t."""

import warnings
from collections.abc import Iterator
from inspect import signature
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from kakusan.schedulers import SCHEDULERS, Scheduler

# The reference calls numpy and torch in ways that they warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

SHAPE = (2, 2, 3, 5)
PHASE = torch.arange(30, dtype=torch.float64).reshape(SHAPE[1:]) * 0.7
STABLE_DIFFUSION = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
SHORT = {"DDIM": "DDIMScheduler", "DDPM": "DDPMScheduler", "PNDM": "PNDMScheduler"}
SHORT |= {"Euler": "EulerDiscreteScheduler", "EulerA": "EulerAncestralDiscreteScheduler"}
SHORT |= {"Heun": "HeunDiscreteScheduler", "LMS": "LMSDiscreteScheduler"}
SHORT |= {"DPM": "DPMSolverMultistepScheduler", "DPMSingle": "DPMSolverSinglestepScheduler"}
SHORT |= {"KDPM2": "KDPM2DiscreteScheduler", "KDPM2A": "KDPM2AncestralDiscreteScheduler"}
SHORT |= {"UniPC": "UniPCMultistepScheduler", "DEIS": "DEISMultistepScheduler"}

ZERO_SNR: dict[str, Any] = {
    "rescale_betas_zero_snr": True,
    "prediction_type": "v_prediction",
    "timestep_spacing": "trailing",
}
KARRAS = {"use_karras_sigmas": True}
EXPONENTIAL = {"use_exponential_sigmas": True}
BETA = {"use_beta_sigmas": True}  # which the reference takes from scipy
NOISE_SOLVER = {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}
NOISE_SDE = {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min"}
SDE = {"algorithm_type": "sde-dpmsolver++"}

# Orders, ends and histories differ among few steps, `lower_order_final` above and below 15.
EVERY_COUNT = (1, 2, 3, 4, 7, 10, 20, 25)
OF_OWN_OPTIONS = (1, 2, 3, 4, 20)
OF_COMMON_OPTIONS = (1, 7)

# What every scheduler has; the first is compared over all step counts, in float32 too.
EVERYWHERE: list[dict[str, Any]] = [
    {},
    {"timestep_spacing": "linspace"},
    {"timestep_spacing": "leading"},
    {"timestep_spacing": "trailing"},
    {"prediction_type": "v_prediction"},
    {"beta_schedule": "linear", "steps_offset": 0},
    {"beta_schedule": "squaredcos_cap_v2"},
    {"trained_betas": [0.001 + 0.00002 * i for i in range(1000)]},
]
SAMPLE = {"prediction_type": "sample"}
LIMITED: list[dict[str, Any]] = [
    {"clip_sample": False},
    {"clip_sample": True, "clip_sample_range": 0.7},
    {"thresholding": True, "sample_max_value": 1.5},
    ZERO_SNR | {"clip_sample": False},
    SAMPLE,
]
OWN: dict[str, list[dict[str, Any]]] = {
    "PNDM": [
        {"skip_prk_steps": True},
        {"skip_prk_steps": True, "set_alpha_to_one": True},
        {"skip_prk_steps": True, "prediction_type": "v_prediction"},
        {"skip_prk_steps": True, "timestep_spacing": "linspace"},
        {"skip_prk_steps": True, "timestep_spacing": "trailing"},
    ],
    "DDIM": [*LIMITED, {"set_alpha_to_one": False}],
    "DDPM": [
        *LIMITED,
        {"beta_schedule": "sigmoid"},
        {"beta_schedule": "laplace"},
        {"variance_type": "fixed_small_log"},
        {"variance_type": "fixed_large"},
    ],
    "LMS": [KARRAS, EXPONENTIAL, BETA, SAMPLE, KARRAS | {"timestep_spacing": "leading"}],
    "Heun": [KARRAS, EXPONENTIAL, BETA, SAMPLE, {"clip_sample": True}, {"beta_schedule": "exp"}],
    "Euler": [
        KARRAS,
        EXPONENTIAL,
        BETA,
        SAMPLE,
        ZERO_SNR,
        {"interpolation_type": "log_linear"},
        {"interpolation_type": "log_linear"} | KARRAS,
        {"final_sigmas_type": "sigma_min"},
        KARRAS | {"sigma_min": 0.1, "sigma_max": 9.0, "final_sigmas_type": "sigma_min"},
        {"timestep_type": "continuous", "prediction_type": "v_prediction"},
    ],
    "EulerA": [ZERO_SNR, ZERO_SNR | {"timestep_spacing": "linspace"}],
    "DPM": [
        KARRAS,
        EXPONENTIAL,
        BETA,
        SAMPLE,
        ZERO_SNR,
        {"solver_order": 1},
        {"solver_order": 3},
        {"solver_type": "heun"},
        {"lower_order_final": False},
        {"euler_at_final": True},
        {"final_sigmas_type": "sigma_min"},
        {"final_sigmas_type": "sigma_min", "solver_order": 3},
        SDE,
        SDE | KARRAS,
        SDE | {"solver_type": "heun"},
        SDE | {"solver_order": 3},
        NOISE_SOLVER,
        NOISE_SOLVER | {"solver_type": "heun"},
        NOISE_SOLVER | {"solver_order": 3},
        NOISE_SOLVER | {"prediction_type": "v_prediction"},
        NOISE_SOLVER | SAMPLE,
        NOISE_SDE,
        NOISE_SDE | {"solver_type": "heun"},
        {"thresholding": True},
        NOISE_SOLVER | {"thresholding": True},
        KARRAS | {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1},
        {"lambda_min_clipped": -5.1},
        {"lambda_min_clipped": -5.1, "timestep_spacing": "trailing"},
    ],
    "DPMSingle": [
        KARRAS,
        EXPONENTIAL,
        SAMPLE,
        *({"solver_order": order, "lower_order_final": True} for order in (1, 2, 3)),
        *({"solver_order": order, "solver_type": "heun"} for order in (1, 2, 3)),
        {"final_sigmas_type": "sigma_min"},
        {"final_sigmas_type": "sigma_min", "lower_order_final": True},
        {"final_sigmas_type": "sigma_min", "solver_order": 3},
        {"final_sigmas_type": "sigma_min", "solver_order": 3, "lower_order_final": True},
        *(SDE | {"solver_order": order} for order in (1, 2, 3)),
        *(SDE | {"solver_order": order, "solver_type": "heun"} for order in (2, 3)),
        SDE | KARRAS,
        *(NOISE_SOLVER | {"solver_order": order} for order in (1, 2, 3)),
        *(NOISE_SOLVER | {"solver_order": order, "solver_type": "heun"} for order in (2, 3)),
        NOISE_SOLVER | {"prediction_type": "v_prediction"},
        NOISE_SOLVER | SAMPLE | KARRAS,
        {"thresholding": True},
        KARRAS | {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1},
        {"lambda_min_clipped": -5.1},
    ],
    "KDPM2": [KARRAS, EXPONENTIAL, KARRAS | {"timestep_spacing": "leading"}],
    "KDPM2A": [KARRAS, EXPONENTIAL, EXPONENTIAL | {"timestep_spacing": "trailing"}],
    "UniPC": [
        KARRAS,
        EXPONENTIAL,
        SAMPLE,
        ZERO_SNR,
        ZERO_SNR | KARRAS,
        {"solver_order": 1},
        {"solver_order": 3},
        {"solver_order": 3, "solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        {"solver_order": 3, "lower_order_final": False, "final_sigmas_type": "sigma_min"},
        {"solver_type": "bh1", "final_sigmas_type": "sigma_min"},
        {"solver_type": "bh1", "predict_x0": False, "final_sigmas_type": "sigma_min"},
        *(
            {"predict_x0": False, "solver_order": order, "final_sigmas_type": "sigma_min"}
            for order in (1, 2, 3)
        ),
        SAMPLE | {"predict_x0": False, "final_sigmas_type": "sigma_min"},
        {"predict_x0": False, "prediction_type": "v_prediction", "final_sigmas_type": "sigma_min"},
        {"disable_corrector": [0]},
        {"disable_corrector": [1, 4], "solver_order": 3},
        {"thresholding": True},
        {"thresholding": True, "predict_x0": False, "final_sigmas_type": "sigma_min"},
        KARRAS | {"final_sigmas_type": "sigma_min"},
        EXPONENTIAL | {"final_sigmas_type": "sigma_min"},
        KARRAS | {"sigma_min": 0.1, "sigma_max": 9.0},
        KARRAS | {"sigma_min": 0.1, "sigma_max": 9.0, "final_sigmas_type": "sigma_min"},
    ],
    "DEIS": [
        KARRAS,
        EXPONENTIAL,
        SAMPLE,
        {"solver_order": 1},
        {"solver_order": 3},
        {"solver_order": 3, "lower_order_final": False},
        {"lower_order_final": False},
        {"thresholding": True},
        KARRAS | {"solver_order": 3, "prediction_type": "v_prediction"},
        KARRAS | {"beta_schedule": "squaredcos_cap_v2"},
    ],
}
LACKED = {"DPMSingle": {"timestep_spacing", "steps_offset"}}


def cases_of(name: str) -> Iterator[tuple[dict[str, Any], tuple[int, ...]]]:
    """Settings that both classes take, and the step counts that they are compared over."""
    # The reference's Runge-Kutta start fails under four steps.
    many, few = (OF_OWN_OPTIONS, OF_COMMON_OPTIONS) if name != "PNDM" else ((7, 20), (7,))
    yield {}, (EVERY_COUNT if name != "PNDM" else (7, 25, 50))
    for options in EVERYWHERE[1:]:
        if not LACKED.get(name, set()) & set(options):
            yield options, few
    for index, options in enumerate(OWN[name]):
        yield options, (EVERY_COUNT if name == "PNDM" and index == 0 else many)


def both(name: str, options: dict[str, Any]) -> tuple[Scheduler, Any]:
    """Ours and the reference's scheduler of the same settings."""
    settings = {
        key: value
        for key, value in (STABLE_DIFFUSION | options).items()
        if key not in LACKED.get(name, ())
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SCHEDULERS[SHORT[name]](**settings), getattr(diffusers, SHORT[name])(**settings)


def fake_model(x: Tensor, t: Any) -> Tensor:
    """A prediction that is not linear in x, changes with t, and stays of the size of noise."""
    return torch.sin(1.3 * x + PHASE.to(x.dtype) + float(t) / 300) + 0.3 * torch.tanh(x)


def run(scheduler: Any, dtype: torch.dtype, start: int = 0, **options: Any) -> Tensor:
    """From noise to the end of a run, as a pipeline does it."""
    if "generator" in options:
        options["generator"] = torch.Generator().manual_seed(3)
    noise = torch.randn(SHAPE, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    x = noise.to(dtype) * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:]:
        output = fake_model(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, **options).prev_sample
    return x


def begin(theirs: Any) -> None:
    """Have the reference start at the top even where its rounded timesteps repeat there."""
    if hasattr(theirs, "set_begin_index"):
        theirs.set_begin_index(0)


def step_options(theirs: Any) -> dict[str, Any]:
    return {"generator": None} if "generator" in signature(theirs.step).parameters else {}


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float = 1e-5, case: str = "") -> None:
    assert ours.dtype == theirs.dtype
    assert theirs.isfinite().all(), case
    error = (ours - theirs).abs().max() / theirs.abs().max()
    assert error <= tolerance, f"relative error {error:.2e} {case}"


def is_computed(theirs: Any) -> bool:
    """Whether float32 leaves the reference a level to step down to, which else gives NaN."""
    down, up = theirs.sigmas_down, theirs.sigmas_up
    return bool(up.isfinite().all() and (down[:-3] > 0).all())


@pytest.mark.parametrize("name", SHORT)
def test_runs_equal_the_references(name: str) -> None:
    for options, counts in cases_of(name):
        ours, theirs = both(name, options)
        for steps in counts:
            if name == "DPMSingle":  # the reference's changes its own settings at uneven steps
                ours, theirs = both(name, options)
            check_run(name, options, steps, ours, theirs)


def check_run(name: str, options: dict[str, Any], steps: int, ours: Any, theirs: Any) -> None:
    ours.set_timesteps(steps)
    theirs.set_timesteps(steps)
    if name == "KDPM2A" and not is_computed(theirs):
        return
    case = f"{name} {options} {steps}"
    assert torch.equal(ours.timesteps, theirs.timesteps), case
    assert ours.timesteps.dtype == theirs.timesteps.dtype
    assert ours.init_noise_sigma == float(theirs.init_noise_sigma), case
    if hasattr(ours, "sigmas"):
        assert torch.equal(ours.sigmas, theirs.sigmas[: len(ours.sigmas)]), case
    single = not options and steps in (7, 25)
    for dtype in (torch.float64, torch.float32) if single else (torch.float64,):
        ours, mine = ours.fresh(), step_options(theirs)
        theirs.set_timesteps(steps)
        begin(theirs)
        result, expected = run(ours, dtype, **mine), run(theirs, dtype, **mine)
        if name == "EulerA" and steps < 7 and not expected.isfinite().all():
            assert result.isfinite().all()  # of a step so far down the reference makes NaN
            continue
        assert_close(result, expected, case=case)


@pytest.mark.parametrize("name", SHORT)
def test_noise_and_input_scaling_equal_the_references(name: str) -> None:
    ours, theirs = both(name, {"skip_prk_steps": True} if name == "PNDM" else {})
    x, noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    for steps in (None, 7, 25):
        for scheduler in (ours, theirs) if steps else ():
            scheduler.set_timesteps(steps)
        if steps is None and name not in ("DDIM", "DDPM", "PNDM", "Euler", "EulerA"):
            continue  # before set_timesteps the reference's timesteps and sigmas do not match
        chosen = ours.timesteps[torch.tensor([1, 5])]
        assert_close(ours.add_noise(x, noise, chosen), theirs.add_noise(x, noise, chosen), 1e-6)
        t = ours.timesteps[0]
        assert_close(ours.scale_model_input(x, t), theirs.scale_model_input(x, t), 0.0)


@pytest.mark.parametrize("name", ["DDIM", "DDPM"])
def test_velocity_equals_the_references(name: str) -> None:
    ours, theirs = both(name, {})
    x, noise = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([3, 700])
    assert_close(ours.get_velocity(x, noise, t), theirs.get_velocity(x, noise, t), 1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_behaves_as_the_references(dtype: torch.dtype) -> None:
    for name in SHORT:
        ours, theirs = both(name, {"skip_prk_steps": True} if name == "PNDM" else {})
        for scheduler in (ours, theirs):
            scheduler.set_timesteps(7)
        mine = step_options(theirs)
        result, expected = run(ours, dtype, **mine), run(theirs, dtype, **mine)
        # The float32 ones differ by nothing but the last rounding of a step.
        tolerance = 2 * torch.finfo(dtype).eps if name in ("Euler", "EulerA", "DPM") else 0.05
        assert_close(result, expected, tolerance, name)


@pytest.mark.parametrize("name", ["DDPM", "Euler", "Heun", "DPM"])
def test_custom_timesteps_equal_the_references(name: str) -> None:
    ours, theirs = both(name, {})
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(timesteps=[999, 700, 431, 300, 77, 3])
    assert torch.equal(ours.timesteps, theirs.timesteps)
    mine = step_options(theirs)
    assert_close(run(ours, torch.float64, **mine), run(theirs, torch.float64, **mine))


def test_custom_sigmas_equal_the_references() -> None:
    ours, theirs = both("Euler", {})
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(sigmas=[14.0, 7.5, 3.0, 1.0, 0.4, 0.0])
    assert torch.equal(ours.timesteps, theirs.timesteps)
    assert_close(run(ours, torch.float64), run(theirs, torch.float64))


@pytest.mark.parametrize(
    "options", [{"s_churn": 8.0}, {"s_churn": 80.0, "s_noise": 1.01, "s_tmin": 0.5}]
)
def test_churn_equals_the_references(options: dict[str, float]) -> None:
    ours, theirs = both("Euler", {})
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(7)
    options = {"generator": None, **options}
    assert_close(run(ours, torch.float64, **options), run(theirs, torch.float64, **options))


# With the index of the first step; the reference begins there when it is told to.
MIDWAY: list[tuple[str, dict[str, Any], int, int]] = [
    ("DDIM", {}, 10, 4),
    ("DDPM", {}, 10, 4),
    ("PNDM", {"skip_prk_steps": True}, 10, 4),
    ("Euler", {}, 10, 4),
    ("EulerA", {}, 10, 9),
    ("Heun", {}, 10, 4),
    ("Heun", KARRAS, 10, 18),
    ("LMS", {}, 10, 5),  # with order 1: the reference has higher ones count steps not taken
    ("DPM", {"solver_order": 3}, 10, 4),
    ("DPM", {"solver_order": 3}, 20, 18),
    ("DPM", SDE | KARRAS, 20, 7),
    ("DPM", KARRAS, 100, 91),  # the second of two equal timesteps
]


def test_a_run_that_begins_midway_equals_the_references() -> None:
    for name, options, steps, start in MIDWAY:
        ours, theirs = both(name, options)
        for scheduler in (ours, theirs):
            scheduler.set_timesteps(steps)
        mine = {"order": 1} if name == "LMS" else step_options(theirs)
        run(ours, torch.float64, **mine)  # what an earlier run left is forgotten
        ours = ours.fresh(start)
        if hasattr(theirs, "set_begin_index"):
            theirs.set_begin_index(start)
        expected = run(theirs, torch.float64, start, **mine)
        case = f"{name} {options}"
        assert_close(run(ours, torch.float64, start, **mine), expected, case=case)


@pytest.mark.parametrize("clipped", [False, True])
def test_ddim_with_noise_equals_the_references(clipped: bool) -> None:
    for eta in (0.0, 0.4, 1.0):
        ours, theirs = both("DDIM", {})
        for scheduler in (ours, theirs):
            scheduler.set_timesteps(7)
        mine: dict[str, Any] = {"generator": None, "eta": eta}
        mine["use_clipped_model_output"] = clipped
        assert_close(run(ours, torch.float64, **mine), run(theirs, torch.float64, **mine))


@pytest.mark.parametrize("name", ["DDPM", "EulerA", "DPM"])
def test_a_list_of_generators_draws_one_picture_each(name: str) -> None:
    ours, theirs = both(name, SDE if name == "DPM" else {})
    results: list[Tensor] = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(2)
        generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
        x, t = torch.ones(SHAPE), scheduler.timesteps[0]
        scheduler.scale_model_input(x, t)
        results.append(scheduler.step(fake_model(x, t), t, x, generator=generators).prev_sample)
    assert_close(*results)
