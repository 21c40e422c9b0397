"""EDM's noise levels: the reference's schedulers for them, and every other one on them."""

import json
import warnings
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

import kakusan
from kakusan.errors import InputError, RequestError
from kakusan.samplers import SAMPLERS
from kakusan.schedulers import (
    SCHEDULERS,
    DDPMScheduler,
    EDMDPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    Scheduler,
    named_scheduler,
    short_name,
)

EULER, DPM = "EDMEulerScheduler", "EDMDPMSolverMultistepScheduler"
# As the models' authors publish them
PLAYGROUND: dict[str, Any] = {
    "_class_name": DPM,
    "_diffusers_version": "0.27.0.dev0",
    "algorithm_type": "dpmsolver++",
    "dynamic_thresholding_ratio": 0.995,
    "euler_at_final": False,
    "final_sigmas_type": "zero",
    "lower_order_final": True,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
    "sample_max_value": 1.0,
    "sigma_data": 0.5,
    "sigma_max": 80.0,
    "sigma_min": 0.002,
    "solver_order": 2,
    "solver_type": "midpoint",
    "thresholding": False,
}
COSXL: dict[str, Any] = {
    "_class_name": EULER,
    "sigma_min": 0.002,
    "sigma_max": 120.0,
    "sigma_data": 1.0,
    "prediction_type": "v_prediction",
    "sigma_schedule": "exponential",
}
V = {"prediction_type": "v_prediction"}
EXPONENTIAL = {"sigma_schedule": "exponential"}
TO_MIN = {"final_sigmas_type": "sigma_min"}
SDE = {"algorithm_type": "sde-dpmsolver++"}
CASES: list[tuple[str, dict[str, Any]]] = [
    (EULER, {}),
    (EULER, {k: v for k, v in COSXL.items() if k[0] != "_"}),
    (EULER, V | {"rho": 3.0, "sigma_data": 0.8}),
    (EULER, TO_MIN),
    (DPM, {}),
    (DPM, {k: v for k, v in PLAYGROUND.items() if k[0] != "_"}),
    (DPM, V | EXPONENTIAL),
    (DPM, {"solver_order": 1}),
    (DPM, {"solver_order": 3, "rho": 5.0}),
    (DPM, {"solver_type": "heun", "lower_order_final": False}),
    (DPM, {"euler_at_final": True}),
    (DPM, {"thresholding": True, "sample_max_value": 1.5}),
    (DPM, TO_MIN),
    (DPM, SDE),
    (DPM, SDE | {"solver_type": "heun"}),
    (DPM, SDE | {"solver_order": 1} | V),
]
NOISE = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
BASES = [SCHEDULERS[DPM].from_config(PLAYGROUND), SCHEDULERS[EULER].from_config(COSXL)]
ON_TIMESTEPS = {"DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "LCMScheduler", "TCDScheduler"}
ON_TIMESTEPS |= {"DDIMCFGPPScheduler"}


def model(x: Tensor, t: Tensor) -> Tensor:
    return torch.sin(2 * x + 3 * t.double())


def run(scheduler: Any, steps: int, noise: Tensor = NOISE, **options: Any) -> list[Tensor]:
    """Everything that a run tells: levels, timesteps, and each sample on the way."""
    scheduler.set_timesteps(steps)
    x = noise * scheduler.init_noise_sigma
    told = [scheduler.sigmas.double(), scheduler.timesteps.double()]
    for t in scheduler.timesteps:
        output = model(scheduler.scale_model_input(x, t), t)
        x = scheduler.step(output, t, x, **options)[0]
        told.append(x)
    return told


@pytest.mark.parametrize(("name", "settings"), CASES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 14, 20])
def test_runs_are_the_references(name: str, settings: dict[str, Any], steps: int) -> None:
    def options() -> dict[str, Any]:
        random = settings.get("algorithm_type") == SDE["algorithm_type"]
        return {"generator": torch.Generator().manual_seed(3)} if random else {}

    ours, theirs = SCHEDULERS[name](**settings), getattr(diffusers, name)(**settings)
    for mine, other in zip(
        run(ours, steps, **options()), run(theirs, steps, **options()), strict=True
    ):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_a_step_of_no_length_leaves_the_sample() -> None:
    for settings in ({"solver_order": 3}, {"solver_type": "heun"}, SDE):  # nan in the reference
        *_, before, last = run(EDMDPMSolverMultistepScheduler(**TO_MIN, **settings), 20)
        torch.testing.assert_close(before, last, rtol=0, atol=1e-5)


def test_churn_is_the_references() -> None:
    told: list[list[Tensor]] = []
    for kind in (EDMEulerScheduler, diffusers.EDMEulerScheduler):
        generator = torch.Generator().manual_seed(3)
        told.append(run(kind(), 8, s_churn=4.0, s_noise=1.01, s_tmin=0.05, generator=generator))
    for mine, other in zip(*told, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("published", [PLAYGROUND, COSXL], ids=["playground", "cosxl"])
def test_files_go_both_ways(published: dict[str, Any], tmp_path: Path) -> None:
    kind = SCHEDULERS[published["_class_name"]]
    ours = kind.from_config(published)
    assert {name: ours.config[name] for name in published} == published
    ours.save_pretrained(tmp_path / "ours")
    saved = json.loads((tmp_path / "ours/scheduler_config.json").read_text())
    assert saved == dict(ours.config.to_published())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        theirs = getattr(diffusers, kind.__name__).from_pretrained(tmp_path / "ours")
    for name in ours.config.names():
        assert theirs.config[name] == ours.config[name], name
    theirs.save_pretrained(tmp_path / "theirs")
    assert dict(kind.from_pretrained(tmp_path / "theirs").config.to_published()).items() >= (
        {k: v for k, v in ours.config.to_published().items() if k != "_diffusers_version"}.items()
    )


def ladder_names() -> list[str]:
    names = [each.short for each in SAMPLERS if each.kind not in ON_TIMESTEPS]
    return [*names, "Euler Karras", "DPM++ 2M SGM Uniform", "ddim/simple", "heun/beta", "unipc_k"]


@pytest.mark.parametrize("base", BASES, ids=["playground", "cosxl"])
@pytest.mark.parametrize("name", ladder_names())
def test_every_sampler_of_noise_levels_finds_the_picture(name: str, base: Scheduler) -> None:
    """With a model that knows the picture, a run leads to it, whatever the deviation of data."""
    edm, picture = base.config.edm, NOISE.float() * 0.3
    assert edm is not None
    scheduler: Any = named_scheduler(name, base)
    scheduler.set_timesteps(12)
    assert float(scheduler.sigmas[0]) == pytest.approx(edm.sigma_max, rel=0.3)
    sign = -1 if base.config.prediction_type == "v_prediction" else 1
    x = NOISE.float() * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        sigma = scheduler.sigma_at(t)
        assert float(t) == pytest.approx(0.25 * torch.tensor(sigma).log().item(), abs=1e-5)
        total = sigma**2 + edm.sigma_data**2
        shown = scheduler.scale_model_input(x, t)
        # shown is (clean + sigma * noise) / sqrt(total)
        skip = edm.sigma_data**2 / total * (shown * total**0.5)
        output = sign * (picture - skip) / (sigma * edm.sigma_data / total**0.5)
        torch.testing.assert_close(scheduler.denoised(output, t, x), picture, rtol=0, atol=2e-3)
        x = scheduler.step(output, t, x)[0]
    torch.testing.assert_close(x, picture, rtol=0, atol=0.05)
    again = type(scheduler).from_config(json.loads(json.dumps(dict(scheduler.config))))
    assert again.config.edm == edm
    again.set_timesteps(12)
    assert torch.equal(again.sigmas, scheduler.sigmas)


def test_euler_on_the_models_schedule_is_edms_euler() -> None:
    for base in BASES:
        theirs = EDMEulerScheduler.from_config(base.config, sigma_schedule="exponential")
        ours = named_scheduler("euler exponential", base)
        theirs.set_timesteps(9)
        ours.set_timesteps(9)
        start = NOISE * theirs.init_noise_sigma
        a, b = start, start
        for s, t in zip(theirs.timesteps, ours.timesteps, strict=True):
            a = theirs.step(model(theirs.scale_model_input(a, s), s), s, a)[0]
            b = ours.step(model(ours.scale_model_input(b, t), t), t, b)[0]
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-4)


def test_going_to_another_and_back_keeps_the_levels() -> None:
    for base in BASES:
        for name in ("EulerDiscreteScheduler", "HeunDiscreteScheduler", "UniPCMultistepScheduler"):
            other = SCHEDULERS[name].from_config(base.config)
            assert other.config.edm == base.config.edm
            back = type(base).from_config(other.config)
            assert dict(back.config.to_published()).items() >= base.config.to_published().items()
        named = named_scheduler("euler", base)
        assert type(base).from_config(named.config).config.edm == base.config.edm
    plain = EulerDiscreteScheduler.from_config(EDMEulerScheduler().config)
    assert plain.config.edm == EDMEulerScheduler().config.edm
    karras = EulerDiscreteScheduler.from_config(BASES[1].config, use_karras_sigmas=True)
    assert karras.config.ladder == "karras"


@pytest.mark.parametrize("name", ["ddim", "DDPM", "PLMS", "lcm", "TCDScheduler"])
def test_schedulers_of_training_timesteps_are_refused(name: str) -> None:
    for base in BASES:
        with pytest.raises(RequestError, match=r"CosXL, Playground v2\.5.*'euler'") as caught:
            named_scheduler(name, base)
        assert "\n" not in str(caught.value)
    with pytest.raises(RequestError, match="training timesteps"):
        DDPMScheduler.from_config(PLAYGROUND)


@pytest.mark.parametrize("name", ["euler trailing", "unipc sgm_uniform"])
def test_spacings_of_training_timesteps_are_refused(name: str) -> None:
    with pytest.raises(RequestError, match="'karras' or 'exponential'"):
        named_scheduler(name, BASES[0])


def test_what_is_for_these_models_alone() -> None:
    base = PNDMScheduler()
    for name in (EULER, DPM, "edm euler"):
        with pytest.raises(RequestError, match="this model is not on them"):
            named_scheduler(name, base)
        assert short_name(named_scheduler(name, BASES[1])) in (EULER, DPM)
    for scheduler in (*BASES, named_scheduler("euler", BASES[0])):
        with pytest.raises(RequestError, match="no training timesteps"):
            scheduler.training_target(NOISE, NOISE, torch.tensor([1, 2]))
    with pytest.raises(InputError, match="timesteps"):
        named_scheduler("euler", BASES[0]).set_timesteps(timesteps=[900, 500])


@pytest.mark.parametrize(
    "settings",
    [
        {"sigma_min": 80.0, "sigma_max": 0.002},
        {"sigma_data": 0},
        {"sigma_schedule": "beta"},
        {"prediction_type": "sample"},
        {"rho": "7"},
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any]) -> None:
    for kind in (EDMEulerScheduler, EDMDPMSolverMultistepScheduler):
        with pytest.raises(RequestError):
            kind(**settings)


@pytest.mark.parametrize("sigmas", [[1, 2], [2, 1, 1], [0.1, "b", 1], "abc", [0.1, 2.0, 0.0], 3])
def test_bad_levels_of_another_scheduler_are_refused(sigmas: Any) -> None:
    with pytest.raises(RequestError, match="three numbers"):
        EulerDiscreteScheduler(edm_sigmas=sigmas)


def test_they_are_public() -> None:
    assert kakusan.EDMEulerScheduler is EDMEulerScheduler
    assert kakusan.EDMDPMSolverMultistepScheduler is EDMDPMSolverMultistepScheduler
