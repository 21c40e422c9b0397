"""AUTOMATIC1111's names of samplers and schedules."""

from typing import Any

import pytest

from kakusan.samplers import SAMPLERS, meaning_of
from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.samplers import (
    chosen,
    sampler_list,
    schedule_list,
    with_eta,
)


@pytest.mark.parametrize(
    ("sampler", "schedule", "found"),
    [
        ("Euler", None, ("Euler", "Automatic", "Euler")),
        ("euler a", "automatic", ("Euler a", "Automatic", "Euler a")),
        ("k_euler_a", "", ("Euler a", "Automatic", "Euler a")),
        ("DPM++ 2M", "karras", ("DPM++ 2M", "Karras", "DPM++ 2M Karras")),
        ("DPM++ 2M", "normal", ("DPM++ 2M", "Normal", "DPM++ 2M Uniform")),
        ("DPM++ 2M", "SGMUniform", ("DPM++ 2M", "SGM Uniform", "DPM++ 2M SGM Uniform")),
        # the old style, whose schedule counts first
        ("DPM++ 2M Karras", None, ("DPM++ 2M", "Karras", "DPM++ 2M Karras")),
        ("DPM++ 2M SDE Heun Karras", "exponential", ("DPM++ 2M SDE Heun", "Karras", None)),
        ("Euler SGM Uniform", None, ("Euler", "SGM Uniform", None)),
    ],
)
def test_names(sampler: str, schedule: str | None, found: tuple[str, str, str | None]) -> None:
    got = chosen(sampler, schedule)
    assert (got.sampler, got.schedule) == found[:2]
    assert got.name == (found[2] or f"{found[0]} {found[1]}")
    assert not got.ignored


@pytest.mark.parametrize("sampler", ["DDIM", "PLMS", "LCM"])
@pytest.mark.parametrize("schedule", ["normal", "karras", "ddim", "beta"])
def test_a_sampler_with_its_own_timesteps_passes_schedules_by(sampler: str, schedule: str) -> None:
    got = chosen(sampler, schedule)
    assert (got.name, got.ignored) == (sampler, True)


def test_every_listed_pair_is_known() -> None:
    for sampler in sampler_list():
        for schedule in schedule_list():
            meaning_of(chosen(sampler["name"], schedule["name"]).name)
            assert chosen(sampler["name"], schedule["label"]).sampler == sampler["name"]
        for alias in sampler["aliases"]:
            assert chosen(alias, None).sampler == sampler["name"]


def test_lists_are_shaped_as_there() -> None:
    assert len(sampler_list()) == len(SAMPLERS)
    assert all({*each} == {"name", "aliases", "options"} for each in sampler_list())
    keys = {"name", "label", "aliases", "default_rho", "need_inner_model"}
    assert all({*each} == keys for each in schedule_list())
    assert schedule_list()[0]["name"] == "automatic"


@pytest.mark.parametrize("sampler", ["Euler b", "xyzzy", "x" * 100_000, "Karras", ""])
def test_an_unknown_sampler(sampler: str) -> None:
    with pytest.raises(ApiError, match=r"^Sampler not found") as caught:
        chosen(sampler, None)
    assert caught.value.status == 404


def test_the_nearest_samplers_are_told() -> None:
    with pytest.raises(ApiError, match=r"Did you mean 'Euler a'"):
        chosen("Eular a", None)


def test_an_unknown_schedule() -> None:
    with pytest.raises(ApiError, match=r"^Scheduler not found: 'karas'. Did you mean 'Karras'"):
        chosen("Euler", "karas")


@pytest.mark.parametrize(
    ("sampler", "eta", "settings"),
    [
        ("Euler", None, {"scheduler": "Euler"}),
        ("Euler", 1.0, {"scheduler": "Euler"}),
        ("Euler a", 1.0, {"scheduler": "Euler a"}),
        ("DDIM", 1.0, {"scheduler": "DDIM", "eta": 1.0}),
        ("DDIM", 0.0, {"scheduler": "DDIM", "eta": 0.0}),
        ("DPM++ 2M SDE", 1.0, {"scheduler": "DPM++ 2M SDE"}),
        ("DPM++ 2M SDE", 0.5, {"scheduler": {"name": "DPM++ 2M SDE", "eta": 0.5}}),
    ],
)
def test_eta(sampler: str, eta: float | None, settings: dict[str, Any]) -> None:
    assert with_eta(chosen(sampler, None), eta) == settings


@pytest.mark.parametrize("sampler", ["Euler a", "DPM2 a", "DPM++ SDE"])
def test_an_eta_that_would_change_the_picture_is_refused(sampler: str) -> None:
    with pytest.raises(ApiError, match=r"^eta of .* is 1 here, not 0; leave it out") as caught:
        with_eta(chosen(sampler, None), 0.0)
    assert caught.value.status == 422
