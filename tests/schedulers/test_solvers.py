"""What the solvers do that no reference shows."""

from itertools import pairwise, product
from typing import Any

import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import (
    SCHEDULERS,
    DPMPP2MSDEScheduler,
    DPMPP2SAncestralScheduler,
    DPMSolverSinglestepScheduler,
    HeunDiscreteScheduler,
    KDPM2AncestralDiscreteScheduler,
    KDPM2DiscreteScheduler,
    Scheduler,
    UniPCMultistepScheduler,
)

SETTINGS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
}
X = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
MIDPOINT = [
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMPP2SAncestralScheduler",
    "DPMSolverSDEScheduler",
]
NEW = [*MIDPOINT, "DPMPP2MSDEScheduler", "DPMPP3MSDEScheduler", "UniPCMultistepScheduler"]
NEW += ["DPMSolverSinglestepScheduler", "DEISMultistepScheduler", "RestartScheduler"]
NEW += ["HeunPP2Scheduler", "RESMultistepScheduler", "GradientEstimationScheduler"]
NEW += ["ERSDEScheduler", "SEEDS2Scheduler", "SEEDS3Scheduler", "EulerCFGPPScheduler"]
NEW += ["DPMPP2MCFGPPScheduler", "DPMPP2SCFGPPScheduler", "RESMultistepCFGPPScheduler"]
NEW += ["GradientEstimationCFGPPScheduler"]


def clean_of(x: Tensor, sigma: float) -> Tensor:
    """What a model sees in latents that it is shown."""
    return torch.sin(1.3 * x + sigma**0.5)


def output_of(scheduler: Scheduler, x: Tensor, t: Any) -> Tensor:
    """The prediction, of the scheduler's kind, of a model that sees the same in any of them."""
    sigma = scheduler.sigma_at(t)
    alpha = 1 / (sigma**2 + 1) ** 0.5
    shown = scheduler.scale_model_input(x, t)
    if float(scheduler.init_noise_sigma) != 1.0:
        x = x * alpha
    clean = clean_of(shown, sigma)
    noise = (x - alpha * clean) / (sigma * alpha)
    velocity = alpha * noise - sigma * alpha * clean
    kind = scheduler.config.prediction_type
    return {"epsilon": noise, "v_prediction": velocity, "sample": clean}[kind]


def run(scheduler: Scheduler, start: int = 0, x: Tensor = X, **options: Any) -> Tensor:
    if "generator" in scheduler.step_options:
        options["generator"] = torch.Generator().manual_seed(3)
    x = x * scheduler.init_noise_sigma
    for t in scheduler.timesteps[start:]:
        x = scheduler.step(output_of(scheduler, x, t), t, x, **options).prev_sample
    return x


@pytest.mark.parametrize("spacing", [{}, {"use_karras_sigmas": True}])
def test_what_kind_of_prediction_it_is_does_not_matter(spacing: dict[str, Any]) -> None:
    for name in NEW:
        results: list[Tensor] = []
        for kind in ("epsilon", "v_prediction", "sample"):
            scheduler = SCHEDULERS[name](**SETTINGS, **spacing, prediction_type=kind)
            scheduler.set_timesteps(6)
            results.append(run(scheduler))
        assert torch.allclose(results[0], results[1], rtol=1e-5, atol=1e-5), name
        assert torch.allclose(results[0], results[2], rtol=1e-5, atol=1e-5), name


@pytest.mark.parametrize("name", MIDPOINT)
def test_half_way_is_between_the_levels_of_a_step(name: str) -> None:
    scheduler: Any = SCHEDULERS[name](**SETTINGS)
    scheduler.set_timesteps(6)
    assert len(scheduler.timesteps) == 11
    levels, shown = scheduler.sigmas, scheduler.model_sigmas
    assert len(levels) == len(shown) == 12
    assert torch.equal(shown[::2], levels[::2])
    assert shown[-1] == levels[-1] == 0
    for first, half, second in zip(shown[::2], shown[1::2], shown[2::2], strict=False):
        assert second * 0.9999 <= half < first
    assert [scheduler.sigma_at(t) for t in scheduler.timesteps] == shown[:-1].tolist()


@pytest.mark.parametrize("name", MIDPOINT)
def test_a_ladder_that_does_not_end_in_0_has_a_level_on_every_step(name: str) -> None:
    scheduler: Any = SCHEDULERS[name](**SETTINGS)
    scheduler.set_timesteps(sigmas=[9.0, 3.0, 1.0, 0.2])
    assert len(scheduler.timesteps) == 6
    assert scheduler.num_inference_steps == 3
    x = run(scheduler)
    assert x.isfinite().all()
    assert scheduler.model_sigmas[-1] == pytest.approx(0.2)


@pytest.mark.parametrize("kind", [KDPM2AncestralDiscreteScheduler, DPMPP2SAncestralScheduler])
def test_far_steps_are_computed_where_the_reference_gives_nan(kind: Any) -> None:
    for spacing, steps in product(("linspace", "leading", "trailing"), range(1, 8)):
        scheduler = kind(**SETTINGS, timestep_spacing=spacing)
        scheduler.set_timesteps(steps)
        assert scheduler.timesteps.isfinite().all()
        assert run(scheduler).isfinite().all()


def slope_of(x: Tensor, sigma: float) -> Tensor:
    return (x - clean_of(x / (sigma**2 + 1) ** 0.5, sigma)) / sigma


def churned_heun(scheduler: Any, churn: float) -> Tensor:
    """Algorithm 2 of arXiv:2206.00364, the model asked before the noise; the steps by hand."""
    generator = torch.Generator().manual_seed(3)
    levels = [*scheduler.sigmas[:1].tolist(), *scheduler.sigmas[1::2].tolist()]
    gamma = min(churn / (len(levels) - 1), 2**0.5 - 1)
    x = X * levels[0]
    for sigma, following in pairwise(levels):
        slope = slope_of(x, sigma)
        noise = torch.randn(X.shape, generator=generator, dtype=X.dtype)
        raised = sigma * (1 + gamma)
        x = x + noise * (raised**2 - sigma**2) ** 0.5
        ahead = x + slope * (following - raised)
        if following > 0:
            slope = (slope + slope_of(ahead, following)) / 2
        x = x + slope * (following - raised)
    return x


@pytest.mark.parametrize("churn", [0.5, 40.0])
def test_heun_with_churn(churn: float) -> None:
    scheduler = HeunDiscreteScheduler(**SETTINGS)
    scheduler.set_timesteps(6)
    expected = churned_heun(scheduler, churn)
    assert torch.allclose(run(scheduler.fresh(), s_churn=churn), expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(run(scheduler.fresh()), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("kind", [HeunDiscreteScheduler, KDPM2DiscreteScheduler])
def test_churn_is_where_it_is_asked_for(kind: Any) -> None:
    scheduler = kind(**SETTINGS)
    scheduler.set_timesteps(6)
    plain = run(scheduler.fresh())
    for options in ({}, {"s_churn": 5.0, "s_tmin": 100.0}, {"s_churn": 5.0, "s_tmax": 0.001}):
        assert torch.equal(run(scheduler.fresh(), **options), plain)
    noisy = run(scheduler.fresh(), s_churn=5.0, s_noise=1.003)
    assert noisy.isfinite().all()
    assert not torch.allclose(noisy, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("solver_type", ["bh1", "bh2"])
def test_unipc_reaches_noise_level_0(solver_type: str) -> None:
    # The reference gives NaN with bh1, and without lower_order_final.
    for order, lower, steps in product((1, 2, 3), (True, False), (1, 2, 5)):
        scheduler = UniPCMultistepScheduler(
            **SETTINGS, solver_type=solver_type, solver_order=order, lower_order_final=lower
        )
        scheduler.set_timesteps(steps)
        assert run(scheduler).isfinite().all(), (order, lower, steps)


def test_the_corrector_is_off_where_it_is_disabled() -> None:
    results: list[Tensor] = []
    for disabled in ([], [0], list(range(9))):
        scheduler = UniPCMultistepScheduler(**SETTINGS, disable_corrector=disabled)
        assert scheduler.config["disable_corrector"] == disabled
        scheduler.set_timesteps(6)
        results.append(run(scheduler))
    assert not torch.allclose(results[0], results[1])
    assert not torch.allclose(results[1], results[2])


@pytest.mark.parametrize("places", [None, 3, "01", [0.5], [True]])
def test_a_corrector_is_disabled_by_whole_numbers(places: Any) -> None:
    with pytest.raises(RequestError, match=r"disable_corrector=.* must be a list of whole numbers"):
        UniPCMultistepScheduler(disable_corrector=places)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("UniPCMultistepScheduler", {"solver_p": "DDIMScheduler"}),
        ("UniPCMultistepScheduler", {"shift_terminal": 0.1}),
        ("UniPCMultistepScheduler", {"use_flow_sigmas": True}),
        ("UniPCMultistepScheduler", {"solver_order": 4}),
        ("DEISMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
        ("DEISMultistepScheduler", {"use_dynamic_shifting": True}),
        ("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver"}),
        ("DPMSolverSinglestepScheduler", {"algorithm_type": "sde-dpmsolver"}),
        ("DPMSolverSinglestepScheduler", {"variance_type": "learned_range"}),
        ("DPMPP2SAncestralScheduler", {"eta": 1.5}),
        ("DPMPP2MSDEScheduler", {"eta": -0.1}),
        ("DPMPP2MSDEScheduler", {"solver_type": "euler"}),
        ("KDPM2DiscreteScheduler", {"prediction_type": "flow_prediction"}),
    ],
)
def test_settings_that_are_not_there_are_refused(name: str, settings: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match=name):
        SCHEDULERS[name](**settings)


@pytest.mark.parametrize("name", ["DPMPP2MSDEScheduler", "DPMPP3MSDEScheduler"])
def test_without_eta_nothing_is_drawn(name: str) -> None:
    scheduler = SCHEDULERS[name](**SETTINGS, eta=0.0)
    scheduler.set_timesteps(5)
    assert scheduler.is_deterministic
    assert torch.equal(run(scheduler.fresh(), s_noise=1.0), run(scheduler.fresh(), s_noise=9.0))
    assert not DPMPP2MSDEScheduler().is_deterministic


def test_singlestep_keeps_settings_that_it_lacks() -> None:
    config = {"timestep_spacing": "trailing", "steps_offset": 1}
    scheduler = DPMSolverSinglestepScheduler.from_config(config)
    assert scheduler.config.timestep_spacing == "trailing"
    assert scheduler.config["steps_offset"] == 1
    scheduler.set_timesteps(4)
    assert scheduler.timesteps.tolist() == [999, 749, 500, 250]
    back = UniPCMultistepScheduler.from_config(scheduler.config)
    assert back.config.timestep_spacing == "trailing"
    assert "steps_offset" not in DPMSolverSinglestepScheduler().config


@pytest.mark.parametrize("start", [1, 2, 3])
def test_a_run_that_begins_midway_is_computed(start: int) -> None:
    for name in NEW:
        scheduler = SCHEDULERS[name](**SETTINGS)
        scheduler.set_timesteps(5)
        begin = scheduler.start_of(start)
        results = [run(scheduler.fresh(begin), begin) for _ in range(2)]
        assert results[0].isfinite().all(), name
        assert torch.equal(*results), name
