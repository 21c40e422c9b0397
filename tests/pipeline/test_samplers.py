"""Samplers of other tools in a whole pipeline: their calls, seeds, and both sides of a prompt."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import kakusan
from kakusan.errors import RequestError
from kakusan.pipeline.scheduling import span_of
from kakusan.schedulers import Scheduler, named_scheduler

BOTH_SIDES = ["DDIM CFG++", "euler_cfg_pp", "dpmpp_2m_cfg_pp", "res_multistep_ancestral_cfg_pp"]


@pytest.fixture(scope="module")
def pipe(tiny_v1: Path) -> kakusan.StableDiffusionPipeline:
    pipe = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def drawn(pipe: Any, scheduler: str, **settings: Any) -> list[np.ndarray]:
    request = kakusan.Request.of(
        **{"prompt": "a cat", "seed": 3, "num_inference_steps": 4, **settings},
        scheduler=scheduler,
    )
    return [np.asarray(each.image).astype(int) for each in pipe.pictures(request)]


@pytest.mark.parametrize("scheduler", BOTH_SIDES)
def test_cfg_pp_asks_for_both_sides_whatever_guidance_is(pipe: Any, scheduler: str) -> None:
    rows: list[int] = []
    hook = pipe.unet.register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))
    found = [
        drawn(pipe, scheduler, guidance_scale=guidance, negative_prompt=negative)[0]
        for guidance in (0.6, 1.0, 1.5)
        for negative in ("", "a red dog")
    ]
    hook.remove()
    assert set(rows) == {2}
    for place, one in enumerate(found):
        assert all((one != other).any() for other in found[place + 1 :])


@pytest.mark.parametrize("scheduler", ["Restart", "DPM fast", "er_sde", "seeds_3", "Euler a CFG++"])
def test_a_picture_is_the_same_alone_and_in_a_batch(pipe: Any, scheduler: str) -> None:
    steps = 20 if scheduler == "Restart" else 4
    together = drawn(pipe, scheduler, num_images_per_prompt=2, num_inference_steps=steps)
    alone = drawn(pipe, scheduler, seed=4, num_inference_steps=steps)[0]
    assert np.abs(together[1] - alone).max() <= 1  # of rounding
    assert (together[0] != together[1]).any()


# The calls of five steps, and at which of them a part of the way begins
CALLS = {
    "euler": (5, {1.0: 0, 0.6: 2, 0.2: 4}),
    "Heun": (9, {1.0: 0, 0.6: 4, 0.2: 8}),
    "HeunPP2": (12, {1.0: 0, 0.6: 6, 0.2: 11}),
    "seeds_3": (13, {1.0: 0, 0.6: 6, 0.2: 12}),
}


def planned(name: str, base: Scheduler) -> Scheduler:
    scheduler = named_scheduler(name, base)
    scheduler.set_timesteps(5)
    return scheduler


@pytest.mark.parametrize("name", CALLS)
def test_a_part_of_the_way_begins_with_a_step(pipe: Any, name: str) -> None:
    scheduler = planned(name, pipe.scheduler)
    calls, starts = CALLS[name]
    for strength, start in starts.items():
        request = kakusan.Request.of("a", num_inference_steps=5, strength=strength)
        assert span_of(request, scheduler) == range(start, calls)
        assert start in scheduler.starts
    with pytest.raises(RequestError, match="leaves no step"):
        span_of(kakusan.Request.of("a", num_inference_steps=5, strength=0.1), scheduler)


@pytest.mark.parametrize("schedule", ["", "/karras", "/simple"])
@pytest.mark.parametrize("strength", [1.0, 0.6, 0.4, 0.2])
def test_a_part_of_dpm_fast_has_steps_of_its_own(pipe: Any, schedule: str, strength: float) -> None:
    """As k-diffusion's function has them, where callers give it a part of their levels."""
    whole = planned(f"dpm_fast{schedule}" if schedule else "DPM fast", pipe.scheduler)
    calls = int(5 * strength)
    if schedule:
        levels = planned(f"euler{schedule}", pipe.scheduler).sigmas
    else:
        least = pipe.scheduler.alphas_cumprod[0].double()
        least = ((1 - least) / least).sqrt()
        levels = torch.from_numpy(np.geomspace(float(whole.sigmas[0]), float(least), 6))
    part = levels[5 - calls :].tolist()
    request = kakusan.Request.of("a", num_inference_steps=5, strength=strength)
    assert span_of(request, whole) == range(calls)
    assert float(whole.sigmas[0]) == pytest.approx(part[0])
    if calls > 1:
        expected = named_scheduler("dpm_fast/karras" if schedule else "DPM fast", pipe.scheduler)
        expected.set_timesteps(sigmas=part)
        torch.testing.assert_close(whole.sigmas, expected.sigmas)
        assert whole.starts == expected.starts
    assert whole.sigmas[-1] < whole.sigmas[0] or schedule == "/karras"


@pytest.mark.parametrize("schedule", ["", "/karras"])
def test_dpm_fast_goes_on_where_another_stopped(pipe: Any, schedule: str) -> None:
    for part in (0.3, 0.5, 0.8):
        first, second, euler = (
            named_scheduler(f"{name}{schedule}", pipe.scheduler)
            for name in ("dpm_fast" if schedule else "DPM fast",) * 2 + ("euler",)
        )
        for scheduler in (first, second, euler):
            scheduler.set_timesteps(24)
        ends = span_of(kakusan.Request.of("a", denoising_end=part), first)
        assert ends == range(len(first.schedule))
        span_of(kakusan.Request.of("a", denoising_start=part), second)
        assert len(first.schedule) + len(second.schedule) == 24
        assert first.sigmas[-1] == second.sigmas[0]
        if schedule:  # on the same levels
            stops = span_of(kakusan.Request.of("a", denoising_end=part), euler).stop
            assert second.sigmas[0] == euler.sigmas[stops]


@pytest.mark.parametrize("name", [*CALLS, "Restart", "exp_heun_2_x0"])
def test_two_parts_of_the_way_meet(pipe: Any, name: str) -> None:
    scheduler = named_scheduler(name, pipe.scheduler)
    scheduler.set_timesteps(24)
    first = span_of(kakusan.Request.of("a", denoising_end=0.7), scheduler)
    second = span_of(kakusan.Request.of("a", denoising_start=0.7), scheduler)
    assert 0 <= first.stop - second.start <= 1  # Heun looks ahead once more
    assert second.start in scheduler.starts
    assert second.stop == len(scheduler.schedule)
