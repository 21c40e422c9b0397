"""A way that goes on from a kept state is the one that was never interrupted, to the bit."""

from typing import Any

import pytest
import torch
from torch import Tensor

import kakusan
from kakusan.errors import RequestError
from kakusan.sampling import Chained, Guidance, Trajectory, TrajectoryState, drive
from kakusan.schedulers import named_scheduler
from kakusan.schedulers.tool_noise import PictureNoise, Seeding
from tests.sampling.ways import noise, trajectory

NAMES = ["dpmpp-2m", "dpmpp-2m-sde", "lms", "pndm", "euler-a", "unipc", "ddim", "heun", "ddpm"]
NAMES += ["dpmpp-sde", "dpmpp-3m-sde", "dpm2-a", "deis", "lcm", "restart", "tcd"]


def predict(calls: Any) -> list[Tensor]:
    """A network of a line."""
    return [torch.tanh(0.7 * call.sample + 0.1 * call.timestep.float() / 1000) for call in calls]


def way(name: str, seed: int = 3, **options: Any) -> Trajectory:
    base = kakusan.DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    scheduler = named_scheduler(name, base)
    scheduler.set_timesteps(7)
    options = {"generator": torch.Generator().manual_seed(seed), "eta": 0.5, **options}
    embeddings = noise(2, 2, 7, 8)
    return trajectory(scheduler, noise(1, 1, 4, 8, 8), embeddings, Guidance(5.0), **options)


def end_of(driven: Any) -> Tensor:
    for _ in drive([driven], predict):
        pass
    return driven.latents


@pytest.mark.parametrize("name", NAMES)
def test_every_step_can_be_gone_on_from(name: str) -> None:
    whole = way(name)
    expected, states = None, list[TrajectoryState]()
    for each in drive([whole], predict):
        state = each.state()
        states += [state] if isinstance(state, TrajectoryState) else []
        expected = each.latents
    assert expected is not None
    assert len(states) >= 6
    for state in states[:: max(1, len(states) // 4)]:
        again = way(name)
        again.resume(state)
        assert torch.equal(end_of(again), expected)


def test_other_tools_noise_goes_on_where_it_was() -> None:
    for rng in ("webui-nv", "comfyui-gpu", "webui-cpu"):

        def drawn(rng: str = rng) -> Trajectory:
            source = PictureNoise(Seeding(rng=rng, seed=5))
            source.normal((1, 4, 8, 8))
            return way("euler-a", generator=source)

        whole = drawn()
        found = drive([whole], predict)
        for _ in range(3):
            next(found)
        state = whole.state()
        assert state is not None
        list(found)
        again = drawn()
        again.resume(state)
        assert torch.equal(end_of(again), whole.latents)


@pytest.mark.parametrize("steps", [2, 9])
def test_two_passes_go_on_in_either(steps: int) -> None:
    def chained() -> Chained:
        def then(latents: Tensor) -> Trajectory:
            second = way("euler-a", seed=4)
            second._latents = second._latents + latents
            return second

        return Chained(way("euler"), then)

    expected = end_of(chained())
    stopped = chained()
    found = drive([stopped], predict)
    for _ in range(steps):
        next(found)
    state = stopped.state()
    assert state is not None
    assert (state.first is None) == (steps == 2)
    again = chained()
    again.resume(state)
    assert torch.equal(end_of(again), expected)


def test_what_holds_answers_has_no_state() -> None:
    reusing = way("euler", interval=3)
    found = drive([reusing], predict)
    next(found)
    assert reusing.state() is None


def test_a_state_of_something_else_is_refused() -> None:
    stopped = way("euler")
    next(drive([stopped], predict))
    state = stopped.state()
    assert state is not None
    with pytest.raises(RequestError, match="more steps"):
        way("euler").resume(state._replace(step=90))
    with pytest.raises(RequestError, match="latents"):
        way("euler").resume(state._replace(latents=noise(1, 1, 4, 8, 16)))
    with pytest.raises(RequestError, match="generators"):
        way("euler").resume(state._replace(noise=()))
