"""The place in a run that a step is taken from, as programs take steps by hand."""

import copy
import inspect
import pickle
import warnings
from collections.abc import Callable
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import (
    SCHEDULERS,
    SHORT_NAMES,
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
    Scheduler,
)
from kakusan.schedulers.config import OWN
from tests.schedulers.reference import SHORT_IN_REFERENCE

# The reference calls numpy and torch in ways that they warn of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

SETTINGS: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
    "timestep_spacing": "leading",
}
BASE = PNDMScheduler(**SETTINGS, skip_prk_steps=True)
COUNTED = [name for name in SHORT_NAMES if name not in ("ddim", "ddim-cfgpp", "ddpm")]
X = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def scheduler_of(name: str) -> Scheduler:
    """The class and settings of a short name, on the reference's noise levels."""
    kind, settings = SHORT_NAMES[name]
    return kind.from_config(BASE.config, **{k: v for k, v in settings.items() if k not in OWN})


def theirs_of(ours: Scheduler) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(diffusers, type(ours).__name__).from_config(dict(ours.config))


def model(x: Tensor, t: Any) -> Tensor:
    return torch.sin(1.3 * x + float(t) / 300)


def step(scheduler: Any, t: Any, x: Tensor) -> Any:
    noisy = "generator" in inspect.signature(scheduler.step).parameters
    options = {"generator": torch.Generator().manual_seed(1)} if noisy else {}
    output = model(scheduler.scale_model_input(x, t), t)
    return scheduler.step(output, t, x, **options)


Loop = Callable[[Any, Tensor], Tensor]


def plain(scheduler: Any, x: Tensor) -> Tensor:
    for t in scheduler.timesteps:
        x = step(scheduler, t, x).prev_sample
    return x


def as_numbers(scheduler: Any, x: Tensor) -> Tensor:
    for t in scheduler.timesteps.tolist():
        x = step(scheduler, t, x).prev_sample
    return x


def as_copies(scheduler: Any, x: Tensor) -> Tensor:
    for t in scheduler.timesteps.clone().unsqueeze(1):
        x = step(scheduler, t, x).prev_sample
    return x


def converted(scheduler: Any, x: Tensor) -> Tensor:
    scheduler.timesteps = scheduler.timesteps.to(torch.float32)  # of a well-known notebook, for MPS
    return plain(scheduler, x)


def copied(scheduler: Any, x: Tensor) -> Tensor:
    x = step(scheduler, scheduler.timesteps[0], x).prev_sample
    again = pickle.loads(pickle.dumps(copy.deepcopy(scheduler)))
    for t in again.timesteps[1:]:
        x = step(again, t, x).prev_sample
    return x


def looked_at(scheduler: Any, x: Tensor) -> Tensor:
    """What notebooks do to see the clean picture: a step whose sample is thrown away."""
    for t in scheduler.timesteps:
        step(scheduler, t, x)
        step(scheduler, t, x)
        x = step(scheduler, t, x).prev_sample
    return x


def looked_at_and_counted_back(scheduler: Any, x: Tensor) -> Tensor:
    for t in scheduler.timesteps:
        step(scheduler, t, x)
        scheduler._step_index = scheduler._step_index - 1  # as those notebooks have to
        x = step(scheduler, t, x).prev_sample
    return x


def planned_again(scheduler: Any, x: Tensor) -> Tensor:
    plain(scheduler, x)
    scheduler.set_timesteps(7)
    return plain(scheduler, x)


LOOPS: list[Loop] = [as_numbers, as_copies, converted, copied, looked_at, planned_again]


# The reference's UniPC of AUTOMATIC1111's variant (bh1) ends in NaN at no noise
FINITE = [name for name in SHORT_IN_REFERENCE if name != "unipc"]


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_a_loop_by_hand_gives_what_the_plain_loop_gives(name: str) -> None:
    scheduler = scheduler_of(name)
    theirs = theirs_of(scheduler) if name in FINITE else scheduler_of(name)
    theirs.set_timesteps(7)
    expected = plain(theirs, X)
    for loop in LOOPS:
        scheduler.set_timesteps(7)
        assert torch.allclose(loop(scheduler, X), expected, rtol=1e-5, atol=1e-5), loop


SINGLE = [name for name in COUNTED if name != "pndm" and SHORT_NAMES[name][0].order == 1]


def test_a_step_index_may_be_put_back() -> None:
    for name in SINGLE:
        scheduler = scheduler_of(name)
        scheduler.set_timesteps(7)
        expected = plain(scheduler.fresh(), X)
        assert torch.equal(looked_at_and_counted_back(scheduler, X), expected), name


@pytest.mark.parametrize("start", [0, 1, 2, 4, 6])
def test_a_run_by_hand_begins_midway_as_the_references(start: int) -> None:
    for name in (name for name in FINITE if name != "lms"):
        scheduler = scheduler_of(name)
        theirs = theirs_of(scheduler)
        results: list[Tensor] = []
        for each in (scheduler, theirs):
            each.set_timesteps(7)
            x, chosen = X, each.timesteps[start * each.order :]
            x = each.add_noise(x, X.flip(0), chosen[:1])
            for t in chosen:
                x = step(each, t, x).prev_sample
            results.append(x)
        assert torch.allclose(*results, rtol=1e-5, atol=1e-5), name


def test_timesteps_may_be_shortened() -> None:
    for name in SHORT_NAMES:
        scheduler = scheduler_of(name)
        scheduler.set_timesteps(4)
        begun, start = scheduler.fresh(), scheduler.start_of(2)
        expected = X
        for t in scheduler.timesteps[start:]:
            expected = step(begun, t, expected).prev_sample
        scheduler.timesteps = scheduler.timesteps[start:]
        assert torch.equal(plain(scheduler, X), expected), name


def test_a_timestep_that_is_not_the_runs_is_refused() -> None:
    for name in SHORT_NAMES:
        scheduler = scheduler_of(name)
        scheduler.set_timesteps(7)
        for wrong in (3, 980.5, torch.tensor(977), -1, 10**6):
            with pytest.raises(RequestError, match="not one of this run's timesteps"):
                scheduler.step(X, wrong, X)
        for nothing in (None, torch.tensor([1, 2]), "981"[:0]):
            with pytest.raises(RequestError, match="give one of timesteps"):
                scheduler.step(X, nothing, X)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("name", COUNTED)
def test_another_place_of_the_run_is_refused_where_steps_are_counted(name: str) -> None:
    scheduler = scheduler_of(name)
    scheduler.set_timesteps(7)
    times = scheduler.timesteps
    once = step(scheduler, times[0], X).prev_sample
    for wrong in (times[3], float(times[-1]), times[4]):
        with pytest.raises(RequestError, match="not the run's next"):
            scheduler.step(X, wrong, X)
    expected = step(scheduler, times[1], once).prev_sample  # what was refused has changed nothing
    with pytest.raises(RequestError, match="not the run's next"):
        step(scheduler, times[0], X)
    again = scheduler.fresh()
    step(again, times[0], X)
    assert torch.equal(step(again, times[1], once).prev_sample, expected)


@pytest.mark.parametrize("kind", [DDIMScheduler, DDPMScheduler])
def test_without_a_count_any_step_of_the_run_is_the_references(kind: type[Scheduler]) -> None:
    ours = kind(**SETTINGS)
    theirs = theirs_of(ours)
    for each in (ours, theirs):
        each.set_timesteps(7)
    for index in (3, 3, 0, 6, 5):
        t = ours.timesteps[index]
        assert torch.allclose(step(ours, t, X)[0], step(theirs, t, X)[0], rtol=1e-5, atol=1e-6)
    assert ours.step_index is None


# The others need `set_timesteps`, there and here.
WHOLE = ["DDPM", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "LMSDiscrete"]


@pytest.mark.parametrize("name", WHOLE)
def test_before_set_timesteps_a_run_has_every_training_timestep(name: str) -> None:
    ours = SCHEDULERS[f"{name}Scheduler"](beta_schedule="scaled_linear")
    theirs = theirs_of(ours)
    results: list[Tensor] = []
    for each in (ours, theirs):
        x = X
        for t in each.timesteps[:6]:
            x = step(each, t, x).prev_sample
        results.append(x)
    assert torch.allclose(*results, rtol=1e-4, atol=1e-4)


def test_the_same_number_twice_in_timesteps_is_told_by_its_place() -> None:
    pndm = scheduler_of("pndm")
    pndm.set_timesteps(7)
    first, second, again, *_ = pndm.timesteps
    assert second == again
    once = step(pndm, first, X).prev_sample
    twice = step(pndm, second, once).prev_sample
    assert torch.equal(step(pndm, second, once).prev_sample, twice)  # looked at
    step(pndm, again, twice)
    with pytest.raises(RequestError, match="not the run's next"):
        step(pndm, second, once)


def test_no_run_begins_within_a_step_of_several_calls() -> None:
    heun = HeunDiscreteScheduler(**SETTINGS)
    heun.set_timesteps(7)
    with pytest.raises(RequestError, match="first step is at index 3 of timesteps"):
        step(heun, heun.timesteps[3], X)
    pndm = PNDMScheduler(**SETTINGS)
    pndm.set_timesteps(7)
    with pytest.raises(RequestError, match="skip_prk_steps=True"):
        step(pndm, pndm.timesteps[4], X)


@pytest.mark.parametrize("name", COUNTED)
def test_begin_and_step_index_are_the_references(name: str) -> None:
    ours = scheduler_of(name)
    theirs = theirs_of(ours) if name in SHORT_IN_REFERENCE else None
    ours.set_timesteps(7)
    assert (ours.begin_index, ours.step_index) == (None, None)
    begin = ours.start_of(4 // min(ours.order, 2))
    ours.set_begin_index(begin)
    assert (ours.begin_index, ours.step_index) == (begin, None)
    if theirs is not None and hasattr(theirs, "set_begin_index"):
        theirs.set_timesteps(7)
        theirs.set_begin_index(begin)
        x, expected = X, X
        for t in ours.timesteps[begin:]:
            x, expected = step(ours, t, x).prev_sample, step(theirs, t, expected).prev_sample
            assert (ours.begin_index, ours.step_index) == (theirs.begin_index, theirs.step_index)
    ours.set_begin_index()
    with pytest.raises(RequestError, match=f"first step is at index {begin} of timesteps; it must"):
        step(ours, ours.timesteps[begin], X)
    with pytest.raises(RequestError, match="start is 100; allowed: 0"):
        ours.set_begin_index(100)


def test_noise_is_added_for_one_timestep_or_one_each() -> None:
    for kind in (EulerDiscreteScheduler, DDIMScheduler):
        scheduler = kind(**SETTINGS)
        each = scheduler.add_noise(X, X.flip(0), torch.tensor([601, 601]))
        for one in (torch.tensor(601), torch.tensor([601])):
            assert torch.equal(scheduler.add_noise(X, X.flip(0), one), each)
