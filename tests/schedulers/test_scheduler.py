"""What holds for every scheduler, without a reference."""

import inspect
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan.errors import CheckpointError, RequestError, UnknownArgumentError
from kakusan.schedulers import (
    SCHEDULERS,
    SHORT_NAMES,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    Generators,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    Scheduler,
    draw_noise,
    named_scheduler,
)
from kakusan.schedulers.lms import lagrange_integrals
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler

BASE = PNDMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
)


def noise_of(clean: Tensor, x: Tensor, scheduler: Scheduler, t: Tensor) -> Tensor:
    """What a model predicts that knows the clean sample."""
    sigma = scheduler.sigma_at(t)
    if not isinstance(scheduler, UnscaledSigmaScheduler):  # alpha² + sigma² = 1
        alpha = 1 / (1 + sigma**2) ** 0.5
        return (x - alpha * clean) / (sigma * alpha)
    return (x - clean) / sigma


def steps_of_run(scheduler: Scheduler, seed: int) -> Any:
    """A run that can be stopped after each step; gives the latents last."""
    x = torch.randn(1, 4, 3, 3, generator=torch.Generator().manual_seed(seed))
    x = x * scheduler.init_noise_sigma
    generator = torch.Generator().manual_seed(seed)
    options = {"generator": generator} if "generator" in scheduler.step_options else {}
    for t in scheduler.timesteps:
        output = torch.sin(scheduler.scale_model_input(x, t) * 2 + t / 200)
        x = scheduler.step(output, t, x, **options).prev_sample
        yield x


def test_a_model_that_knows_the_picture_leads_to_it() -> None:
    for name in SHORT_NAMES:
        scheduler = named_scheduler(name, BASE)
        scheduler.set_timesteps(9)
        clean = torch.linspace(-2, 2, 36, dtype=torch.float64).reshape(1, 4, 3, 3)
        seeded = torch.Generator().manual_seed(0)
        x = torch.randn(clean.shape, generator=seeded, dtype=torch.float64)
        x = scheduler.add_noise(clean, x, scheduler.timesteps[:1])
        for t in scheduler.timesteps:
            output = noise_of(clean, x, scheduler, t)
            assert torch.allclose(scheduler.denoised(output, t, x), clean, atol=1e-4), name
            result = scheduler.step(output, t, x)
            assert torch.allclose(result.pred_original_sample, clean, atol=1e-4)
            x = result.prev_sample
        # PNDM and DDIM end at the noise of the first training step, DDPM with none.
        assert (x - clean).abs().max() < 0.15, name


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_two_runs_of_one_scheduler_do_not_meet(name: str) -> None:
    shared = named_scheduler(name, BASE)
    alone: list[Tensor] = []
    for seed in (1, 2):
        scheduler = named_scheduler(name, BASE)
        scheduler.set_timesteps(8)
        alone.append(list(steps_of_run(scheduler, seed))[-1])
    shared.set_timesteps(8)
    runs = [steps_of_run(shared.fresh(), seed) for seed in (1, 2)]
    together = list(zip(*runs, strict=True))[-1]
    assert torch.equal(together[0], alone[0])
    assert torch.equal(together[1], alone[1])
    # Nothing of them is left in the shared one, and a second run of it is as the first.
    assert torch.equal(list(steps_of_run(shared, 1))[-1], alone[0])
    shared.set_timesteps(8)
    assert torch.equal(list(steps_of_run(shared, 1))[-1], alone[0])


def test_fresh_runs_may_have_other_steps() -> None:
    for name in SHORT_NAMES:
        shared = named_scheduler(name, BASE)
        shared.set_timesteps(8)
        before = shared.timesteps.clone()
        shared.fresh().set_timesteps(5)
        assert torch.equal(shared.timesteps, before), name
        assert shared.num_inference_steps == 8


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 333])
def test_noise_falls_strictly(steps: int) -> None:
    for name in SHORT_NAMES:
        scheduler = named_scheduler(name, BASE)
        scheduler.set_timesteps(min(steps, 50) if name in ("lcm", "tcd") else steps)
        if name == "restart" and steps >= 20:
            continue  # goes up again
        # Half way through an ancestral step the noise is about that of the next one.
        distinct = list(dict.fromkeys(scheduler.timesteps[list(scheduler.starts)].tolist()))
        sigmas = [scheduler.sigma_at(t) for t in distinct]
        assert all(a > b for a, b in pairwise(sigmas)), name
        assert sigmas[-1] > 0


@pytest.mark.parametrize("steps", [0, -1, 10**9, 1001, True, 2.5, "20", None])
def test_steps_out_of_range_are_refused(steps: Any) -> None:
    for kind in SCHEDULERS.values():
        with pytest.raises(RequestError, match="num_inference_steps"):
            kind().set_timesteps(steps)


@pytest.mark.parametrize("kind", [DDIMScheduler, PNDMScheduler, DPMSolverMultistepScheduler])
def test_a_step_needs_a_run(kind: type[Scheduler]) -> None:
    scheduler = kind()
    x = torch.zeros(1, 1, 2, 2)
    with pytest.raises(RequestError, match="set_timesteps"):
        scheduler.step(x, scheduler.timesteps[0], x)


@pytest.mark.parametrize(
    "kind", [PNDMScheduler, EulerDiscreteScheduler, HeunDiscreteScheduler, LMSDiscreteScheduler]
)
def test_a_run_ends(kind: type[Scheduler]) -> None:
    scheduler = kind()
    scheduler.set_timesteps(5)
    x = list(steps_of_run(scheduler, 1))[-1]
    with pytest.raises(RequestError, match="over"):
        scheduler.step(x, scheduler.timesteps[0], x)


def test_plans_that_cannot_be_are_refused() -> None:
    with pytest.raises(RequestError, match="no custom sigmas"):
        DDIMScheduler().set_timesteps(sigmas=[1.0, 0.0])
    for kind in (PNDMScheduler, DDIMScheduler, LMSDiscreteScheduler):
        with pytest.raises(RequestError, match=f"{kind.__name__} takes no custom timesteps"):
            kind().set_timesteps(timesteps=[5, 1])
    with pytest.raises(RequestError, match="exactly one"):
        EulerDiscreteScheduler().set_timesteps(5, timesteps=[3])
    for timesteps in ([], [5, 5], [3, 9], [1000, 1], [-1], [float("nan")]):
        with pytest.raises(RequestError, match="timesteps"):
            EulerDiscreteScheduler().set_timesteps(timesteps=timesteps)
    for sigmas in ([], [1.0], [1.0, 2.0], [1.0, -1.0], [float("inf"), 0.0]):
        with pytest.raises(RequestError, match="sigmas"):
            EulerDiscreteScheduler().set_timesteps(sigmas=sigmas)
    with pytest.raises(RequestError, match="use_karras_sigmas"):
        EulerDiscreteScheduler(use_karras_sigmas=True).set_timesteps(timesteps=[3])
    with pytest.raises(RequestError, match="steps_offset"):
        PNDMScheduler(steps_offset=1, skip_prk_steps=True).set_timesteps(1000)
    with pytest.raises(RequestError, match="equal noise levels"):
        DPMSolverMultistepScheduler().set_timesteps(1000)
    pure_noise = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    pure_noise |= {"clip_sample": False}
    with pytest.raises(RequestError, match="pure noise"):
        DDIMScheduler(**pure_noise).set_timesteps(5)
    scheduler = EulerDiscreteScheduler()
    scheduler.set_timesteps(5)
    with pytest.raises(RequestError, match="not one of"):
        scheduler.sigma_at(3.5)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_pndm_without_room_for_runge_kutta_begins_like_plms(steps: int) -> None:
    results: list[Tensor] = []
    for skip in (False, True):
        scheduler = PNDMScheduler(skip_prk_steps=skip)
        scheduler.set_timesteps(steps)
        results.append(list(steps_of_run(scheduler, 1))[-1])
    assert torch.equal(*results)


def test_calls_per_step() -> None:
    for kind, settings, calls in (
        (PNDMScheduler, {"skip_prk_steps": True}, 51),
        (PNDMScheduler, {}, 59),
        (HeunDiscreteScheduler, {}, 99),
        (EulerDiscreteScheduler, {}, 50),
    ):
        scheduler = kind(**settings)
        scheduler.set_timesteps(50)
        assert len(scheduler.timesteps) == calls


def test_a_run_may_begin_midway() -> None:
    for name in SHORT_NAMES:
        scheduler = named_scheduler(name, BASE)
        scheduler.set_timesteps(10)
        start = scheduler.start_of(5)
        if name == "pndm":
            continue  # counts its calls; its first two belong together
        clean = torch.ones(1, 4, 3, 3, dtype=torch.float64)
        x = scheduler.add_noise(
            clean, torch.randn_like(clean), scheduler.timesteps[start : start + 1]
        )
        for t in scheduler.timesteps[start:]:
            x = scheduler.step(noise_of(clean, x, scheduler, t), t, x).prev_sample
        assert (x - clean).abs().max() < 0.15, name


def test_a_run_that_starts_midway_has_no_history() -> None:
    for name in SHORT_NAMES:
        scheduler, untouched = named_scheduler(name, BASE), named_scheduler(name, BASE)
        for each in (scheduler, untouched):
            each.set_timesteps(6)
        x = list(steps_of_run(scheduler, 1))[-1]
        start = scheduler.start_of(3)
        options = {"generator": torch.Generator()} if "generator" in scheduler.step_options else {}
        results: list[Tensor] = []
        for run in (scheduler.fresh(start), untouched.fresh(start)):
            assert run.history == type(run).history, name
            t = run.timesteps[start]
            for each in options.values():
                each.manual_seed(2)
            results.append(run.step(torch.sin(x), t, x, **options).prev_sample)
        assert torch.equal(*results), name


def test_no_run_starts_where_no_step_begins() -> None:
    scheduler = HeunDiscreteScheduler()
    scheduler.set_timesteps(5)  # 9 timesteps
    for start in (-2, 1, 9, 10):
        with pytest.raises(RequestError, match=f"start is {start}; allowed: 0 to 8, a multiple"):
            scheduler.fresh(start)
    with pytest.raises(RequestError, match="start is 1000; allowed: 0 to 999"):
        DDIMScheduler().fresh(1000)


def test_a_step_that_is_refused_changes_nothing() -> None:
    lms = named_scheduler("lms", BASE)
    lms.set_timesteps(5)
    x, t = torch.ones(1, 4, 3, 3), lms.timesteps[0]
    expected = lms.fresh().step(x, t, x).prev_sample
    with pytest.raises(RequestError, match="order is 0"):
        lms.step(x, t, x, order=0)
    assert torch.equal(lms.step(x, t, x).prev_sample, expected)


CHURN = {"generator", "s_churn", "s_noise", "s_tmax", "s_tmin"}
OPTIONS = {
    "DDIMCFGPPScheduler": {"unconditional"},
    "DPMPP2MCFGPPScheduler": {"unconditional"},
    "DPMPP2SCFGPPScheduler": {"generator", "s_noise", "unconditional"},
    "EulerCFGPPScheduler": {"generator", "s_noise", "unconditional"},
    "GradientEstimationCFGPPScheduler": {"ge_gamma", "unconditional"},
    "RESMultistepCFGPPScheduler": {"generator", "s_noise", "unconditional"},
    "DDIMScheduler": {"eta", "generator", "use_clipped_model_output"},
    "DDPMScheduler": {"generator"},
    "DPMSolverMultistepScheduler": {"generator"},
    "EulerAncestralDiscreteScheduler": {"generator"},
    "DEISMultistepScheduler": set[str](),
    "DPMFastScheduler": {"generator", "s_noise"},
    "DPMPP2MSDEScheduler": {"generator", "s_noise"},
    "DPMPP2SAncestralScheduler": {"generator", "s_noise"},
    "DPMPP3MSDEScheduler": {"generator", "s_noise"},
    "DPMSolverSDEScheduler": {"generator", "s_noise"},
    "DPMSolverSinglestepScheduler": {"generator"},
    "ERSDEScheduler": {"generator", "s_noise"},
    "EDMDPMSolverMultistepScheduler": {"generator"},
    "EDMEulerScheduler": CHURN,
    "EulerDiscreteScheduler": CHURN,
    "GradientEstimationScheduler": {"ge_gamma"},
    "HeunPP2Scheduler": set[str](),
    "HeunDiscreteScheduler": CHURN,
    "ImprovedPNDMScheduler": set[str](),
    "KDPM2AncestralDiscreteScheduler": {"generator"},
    "KDPM2DiscreteScheduler": CHURN,
    "LCMScheduler": {"generator"},
    "LMSDiscreteScheduler": {"order"},
    "PNDMScheduler": set[str](),
    "RESMultistepScheduler": {"generator", "s_noise"},
    "RestartScheduler": {"generator", "s_noise"},
    "SEEDS2Scheduler": {"generator", "s_noise"},
    "SEEDS3Scheduler": {"generator", "s_noise"},
    "TCDScheduler": {"eta", "generator"},
    "UniPCMultistepScheduler": set[str](),
}


def test_step_takes_the_options_of_the_formula() -> None:
    for name, kind in SCHEDULERS.items():
        scheduler = kind()
        assert scheduler.step_options == OPTIONS[name]
        # Programs written for the reference look at the signature.
        taken = set(inspect.signature(scheduler.step).parameters)
        assert taken == {"model_output", "timestep", "sample", "return_dict"} | OPTIONS[name]
        scheduler.set_timesteps(5)
        x = torch.ones(1, 4, 3, 3)
        with pytest.raises(UnknownArgumentError, match="step has no argument 'etta'"):
            scheduler.step(x, scheduler.timesteps[0], x, etta=1.0)
        scheduler.step(x, scheduler.timesteps[0], x, return_dict=False)


def test_the_config_of_a_folder_makes_another_scheduler(tiny_v1: Path) -> None:
    config = DDIMScheduler.load_config(tiny_v1, subfolder="scheduler")
    assert config["_class_name"] == "PNDMScheduler"
    made = DDIMScheduler.from_config(config)
    assert made.config == DDIMScheduler.from_pretrained(tiny_v1, subfolder="scheduler").config
    with pytest.raises(CheckpointError):
        DDIMScheduler.load_config(tiny_v1)


def test_generator_lists_of_the_wrong_length_are_refused() -> None:
    scheduler = named_scheduler("euler-a", BASE)
    x = torch.zeros(2, 1, 2, 2)
    for count in (0, 1, 3):
        scheduler.set_timesteps(2)
        with pytest.raises(RequestError, match=f"{count} entries but 2 pictures"):
            scheduler.step(x, scheduler.timesteps[0], x, generator=[torch.Generator()] * count)


def test_each_generator_of_a_list_draws_as_if_alone() -> None:
    def draw(pictures: int, generator: Generators) -> Tensor:
        shape, device = (pictures, 4, 3, 3), torch.device("cpu")
        return draw_noise(shape, generator, dtype=torch.bfloat16, device=device)

    def generator(seed: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed)

    together = draw(2, [generator(1), generator(2)])
    assert together.dtype == torch.bfloat16
    assert torch.equal(together, torch.cat([draw(1, generator(1)), draw(1, generator(2))]))
    assert torch.equal(draw(1, [generator(1)]), draw(1, generator(1)))


def test_lagrange_integrals_are_exact() -> None:
    nodes = [1.7, 2.4, 3.9, 6.0]
    for degree in range(4):
        weights = lagrange_integrals(nodes, 1.7, 1.1)
        quadrature = sum(w * node**degree for w, node in zip(weights, nodes, strict=True))
        exact = (1.1 ** (degree + 1) - 1.7 ** (degree + 1)) / (degree + 1)
        assert np.isclose(quadrature, exact, rtol=1e-10)
