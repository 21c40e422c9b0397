"""The noise levels of AUTOMATIC1111 and ComfyUI, number for number."""

from itertools import pairwise, product

import diffusers
import numpy as np
import pytest
import torch

from kakusan.schedulers import AysSchedules, EulerDiscreteScheduler, named_scheduler
from kakusan.schedulers.beta_distribution import inverse_beta
from kakusan.schedulers.ladders import LADDERS, ladder_levels
from kakusan.schedulers.schedule import all_sigmas, make_betas

KNOWN = all_sigmas(
    torch.cumprod(1 - make_betas("scaled_linear", 0.00085, 0.012, 1000), dim=0)
).astype(np.float64)

# Ten steps, as computed from the tools' own formulas
GOLDEN = {
    "uniform": "14.6146 7.8399 4.6092 2.9183 1.9502 1.3449 .9324 .6250 .3687 .0292 0",
    "karras": "14.6146 9.1029 5.4784 3.1686 1.7494 .9141 .4469 .2014 .0819 .0292 0",
    "exponential": "14.6146 7.3249 3.6712 1.8400 .9222 .4622 .2317 .1161 .0582 .0292 0",
    "polyexponential": "14.6146 7.3249 3.6712 1.8400 .9222 .4622 .2317 .1161 .0582 .0292 0",
    "sgm_uniform": "14.6146 8.3072 5.0924 3.3251 2.2797 1.6156 1.1629 .8319 .5712 .3437 0",
    "simple": "14.6146 8.3028 5.0878 3.3211 2.2765 1.6129 1.1606 .8299 .5693 .3417 0",
    "ddim_uniform": "8.3907 5.1344 3.3478 2.2929 1.6237 1.1682 .8357 .5741 .3462 .0413 0",
    "beta": "14.6146 13.9278 12.4910 10.5976 8.4424 6.2014 4.0462 2.1528 .7160 .0292 0",
    "beta_of_timesteps": "14.6146 11.5428 7.3718 4.3728 2.6152 1.6183 1.0273 .6549 .3955 .1991 0",
    "kl_optimal": "14.6146 4.5650 2.6329 1.7864 1.2948 .9616 .7116 .5094 .3356 .1783 .0292",
    "kl_optimal_to_zero": "14.6146 4.2324 2.3937 1.5971 1.1330 .8152 .5729 .3725 .1953 .0292 0",
    "linear_quadratic": (
        "14.6146 14.5416 14.4685 14.3954 14.3223 14.2493 13.6208 11.8817 9.0318 5.0713 0"
    ),
    "align_your_steps": "14.615 6.1135 3.5651 2.3939 1.6500 1.1358 .7425 .4450 .1692 .029 0",
    "align_your_steps_sd1": (
        "14.6146 6.4746 3.8637 2.6946 1.8842 1.3944 .9643 .6524 .3977 .1515 0"
    ),
    "align_your_steps_sdxl": (
        "14.6146 6.3184 3.7682 2.1811 1.3405 .8621 .5551 .3799 .2332 .1114 0"
    ),
    "align_your_steps_xl": "14.615 5.9634 3.3390 1.8550 1.1023 .6750 .4311 .2606 .1225 .029 0",
}


def numbers(text: str) -> list[float]:
    return [float(each) for each in text.split()]


@pytest.mark.parametrize("name", GOLDEN)
def test_ten_steps_are_the_tools_own(name: str) -> None:
    found = ladder_levels(name, KNOWN, 10, discard=False)
    assert found == pytest.approx(numbers(GOLDEN[name]), abs=6e-5)


def test_what_the_golden_ladders_leave_out() -> None:
    assert set(LADDERS) - set(GOLDEN) == {"turbo", "sd_turbo", "gits", "gits_xl"}
    turbo = ladder_levels("turbo", KNOWN, 4, discard=False)
    assert turbo == pytest.approx([*KNOWN[[999, 749, 499, 249]], 0])
    for name, second in (("gits", 4.617), ("gits_xl", 4.734), ("align_your_steps", 6.475)):
        found = ladder_levels(name, KNOWN, 11, discard=False)
        assert (len(found), found[0], found[1], found[-1]) == (12, 14.615, second, 0.0)


# What the functions of ComfyUI's nodes_align_your_steps.py gave for other numbers of steps
OF_NODES = {
    ("align_your_steps_sd1", 4): "14.6146 3.2266 1.3944 .5094 0",
    ("align_your_steps_sd1", 1): "14.6146 0",
    ("align_your_steps_sdxl", 4): "14.6146 2.8669 .8621 .2977 0",
    ("align_your_steps_sdxl", 20): (
        "14.6146 9.6095 6.3184 4.8795 3.7682 2.8669 2.1811 1.7099 1.3405 1.0750 .8621 .6917 .5551 "
        ".4592 .3799 .2977 .2332 .1612 .1114 .0570 0"
    ),
}


@pytest.mark.parametrize(("name", "steps"), OF_NODES)
def test_comfyuis_nodes(name: str, steps: int) -> None:
    found = ladder_levels(name, KNOWN, steps, discard=False)
    assert found == pytest.approx(numbers(OF_NODES[name, steps]), abs=6e-5)


@pytest.mark.parametrize("steps", [1, 2, 4, 10, 30])
def test_comfyuis_turbo_node_walks_down_ten_timesteps(steps: int) -> None:
    found = ladder_levels("sd_turbo", KNOWN, steps, discard=False)
    assert found.tolist() == [*KNOWN[list(range(999, 0, -100))[:steps]], 0.0]


@pytest.mark.parametrize("name", LADDERS)
def test_levels_fall_to_the_end(name: str) -> None:
    for steps, discard in product((1, 2, 3, 7, 20, 50, 100), (False, True)):
        levels = ladder_levels(name, KNOWN, steps, discard=discard)
        assert all(a > b for a, b in pairwise(levels)), steps
        assert levels[-1] == 0 or name == "kl_optimal"
        if name not in ("ddim_uniform", "beta_of_timesteps", "sd_turbo"):
            assert len(levels) == steps + 1


@pytest.mark.parametrize("steps", [1, 2, 10])
@pytest.mark.parametrize("name", ["karras", "kl_optimal"])
def test_the_last_but_one_is_left_out_whatever_the_last_is(name: str, steps: int) -> None:
    whole = ladder_levels(name, KNOWN, steps + 1, discard=False)
    found = ladder_levels(name, KNOWN, steps, discard=True)
    assert found.tolist() == [*whole[:-2], whole[-1]]
    assert found[-1] == (0 if name == "karras" else pytest.approx(KNOWN[0]))


def test_a_run_that_does_not_end_in_nothing_ends_at_the_least_noise() -> None:
    base = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    for name in ("DPM2", "DPM2 a", "DPM++ 3M SDE"):
        scheduler = named_scheduler(f"{name} KL Optimal", base)
        scheduler.set_timesteps(10)
        levels = ladder_levels("kl_optimal", KNOWN, 11, discard=False)
        assert float(scheduler.sigmas[-1]) == pytest.approx(levels[-1], rel=1e-5)
        assert float(scheduler.sigmas[-2]) != pytest.approx(levels[-2], rel=1e-5)


def test_one_step_of_published_levels_is_their_last_as_in_automatic1111() -> None:
    for name in ("align_your_steps", "align_your_steps_xl", "gits", "gits_xl"):
        # np.interp of levels in rising order at linspace(0, 1, 1), which is 0
        assert ladder_levels(name, KNOWN, 1, discard=False) == pytest.approx([0.029, 0])
        assert ladder_levels(name, KNOWN, 2, discard=False) == pytest.approx([14.615, 0.029, 0])


@pytest.mark.parametrize("shape", [0.3, 0.6, 0.9, 1.0])
def test_the_inverse_of_the_beta_distribution_equals_scipys(shape: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    p = np.concatenate([np.linspace(0, 1, 501), [1e-300, 1e-12, 1 - 1e-12]])
    assert inverse_beta(p, shape) == pytest.approx(stats.beta.ppf(p, shape, shape), abs=2e-15)


def test_comfyuis_beta_timesteps_equal_those_by_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for steps in range(1, 201):
        places = 1 - np.linspace(0, 1, steps, endpoint=False)
        timesteps = np.rint(stats.beta.ppf(places, 0.6, 0.6) * 999).astype(int)
        expected = [*KNOWN[list(dict.fromkeys(timesteps.tolist()))], 0.0]
        assert ladder_levels("beta_of_timesteps", KNOWN, steps, discard=False).tolist() == expected


def test_the_published_levels_are_the_references() -> None:
    assert dict(AysSchedules) == diffusers.schedulers.AysSchedules
