"""Settings: from one scheduler to another, to files and back, and what is refused."""

import json
import warnings
from pathlib import Path
from typing import Any

import diffusers
import pytest

from kakusan.errors import (
    CheckpointError,
    InputError,
    RequestError,
    UnknownArgumentError,
    UnknownNameError,
)
from kakusan.schedulers import (
    SCHEDULERS,
    SHORT_NAMES,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    named_scheduler,
    scheduler_class,
    short_name,
)
from kakusan.schedulers.config import OWN
from tests.schedulers.reference import IN_REFERENCE, ON_TIMESTEPS

# The reference calls numpy in a way that it warns of.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept:DeprecationWarning"),
]

PUBLISHED_V1: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.7.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


@pytest.mark.parametrize("last", IN_REFERENCE)
def test_configs_travel_like_the_references(last: str) -> None:
    for middle in ("DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler"):
        check_travel(middle, last)


def check_travel(middle: str, last: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs: Any = diffusers.PNDMScheduler.from_config(PUBLISHED_V1)
        for name in (middle, last):
            theirs = getattr(diffusers, name).from_config(theirs.config)
    ours: Any = PNDMScheduler.from_config(PUBLISHED_V1)
    for name in (middle, last):
        ours = SCHEDULERS[name].from_config(ours.config)
    # -inf, which JSON cannot say, is left out of ours
    expected = {k: v for k, v in theirs.config.items() if k[0] != "_" and v != float("-inf")}
    assert {k: v for k, v in ours.config.items() if k[0] != "_"} == expected
    assert ours.config["_class_name"] == last


def test_going_back_restores_what_was_written() -> None:
    pndm = PNDMScheduler.from_config(PUBLISHED_V1)
    back = PNDMScheduler.from_config(EulerDiscreteScheduler.from_config(pndm.config).config)
    assert dict(back.config) == dict(pndm.config)


def test_config_reads_as_attributes_and_as_a_mapping() -> None:
    config = PNDMScheduler(skip_prk_steps=True).config
    assert config.skip_prk_steps is True
    assert config["skip_prk_steps"] is True
    assert config.get("clip_sample") is None
    assert dict(config)["timestep_spacing"] == "leading"
    json.dumps(dict(DPMSolverMultistepScheduler().config), allow_nan=False)


def test_files_go_both_ways(tmp_path: Path) -> None:
    for name in IN_REFERENCE:
        ours = SCHEDULERS[name](beta_schedule="scaled_linear", beta_end=0.012)
        ours.save_pretrained(tmp_path / name / "ours")
        theirs = getattr(diffusers, name).from_pretrained(tmp_path / name / "ours")
        shared = [key for key in ours.config.names() if key not in OWN]
        for key in shared:
            assert theirs.config[key] == ours.config[key], key
        theirs.save_pretrained(tmp_path / name / "theirs")
        again = SCHEDULERS[name].from_pretrained(tmp_path / name / "theirs")
        for key in shared:
            assert again.config[key] == ours.config[key], key


def test_overrides_win_over_the_file(tmp_path: Path) -> None:
    PNDMScheduler().save_pretrained(tmp_path / "scheduler")
    scheduler = DDIMScheduler.from_pretrained(
        tmp_path, subfolder="scheduler", timestep_spacing="trailing"
    )
    assert scheduler.config.timestep_spacing == "trailing"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"beta_schedule": "cubic"}, "cubic"),
        ({"num_train_timesteps": 10**9}, "num_train_timesteps"),
        ({"num_train_timesteps": 0}, "1 to"),
        ({"num_train_timesteps": "many"}, "whole number"),
        ({"beta_start": float("nan")}, "beta_start"),
        ({"beta_end": True}, "beta_end"),
        ({"clip_sample": "no"}, "true or false"),
        ({"prediction_type": ["epsilon"]}, "v_prediction"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas has 2"),
        ({"trained_betas": "linear"}, "list of numbers"),
        ({"trained_betas": [0.1, -1.0]}, "between 0 and 1"),
    ],
)
def test_bad_values_are_refused(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=message):
        DDIMScheduler(**settings)
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": "DDIMScheduler", **settings}))
    with pytest.raises(CheckpointError, match=r"scheduler_config\.json"):
        DDIMScheduler.from_pretrained(tmp_path)


@pytest.mark.parametrize("key", ["use_lu_lambdas", "use_flow_sigmas"])
def test_unsupported_settings_are_named(key: str) -> None:
    with pytest.raises(RequestError, match=key):
        DPMSolverMultistepScheduler(**{key: True})


@pytest.mark.parametrize(
    "settings",
    [
        {"algorithm_type": "dpmsolver"},
        {"algorithm_type": "sde-dpmsolver", "final_sigmas_type": "sigma_min", "solver_order": 3},
        {"use_karras_sigmas": True, "use_exponential_sigmas": True},
        {"use_karras_sigmas": True, "use_beta_sigmas": True},
        {"sigma_schedule": "karras", "use_karras_sigmas": True},
        {"sigma_schedule": "cubic"},
    ],
)
def test_contradictions_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        DPMSolverMultistepScheduler(**settings)


def test_what_was_said_of_the_spacing_goes_from_class_to_class(tmp_path: Path) -> None:
    for said in (
        {"use_karras_sigmas": True},
        {"use_beta_sigmas": True},
        {"sigma_schedule": "beta", "discard_penultimate_sigma": True},
    ):
        config = EulerDiscreteScheduler.from_config({**PUBLISHED_V1, **said}).config
        for name, kind in ON_TIMESTEPS.items():
            scheduler = kind.from_config(config)
            assert {key: scheduler.config[key] for key in said} == said, name
            scheduler.save_pretrained(tmp_path / name)
            again = kind.from_pretrained(tmp_path / name)
            assert dict(again.config.to_published()) == dict(scheduler.config.to_published())
            config = scheduler.config
        with pytest.raises(RequestError, match=r"only one of .* can space") as bad:
            EulerDiscreteScheduler.from_config(config, use_exponential_sigmas=True)
        assert "\n" not in str(bad.value)
        changed = dict.fromkeys(said, False) | {"use_exponential_sigmas": True}
        if "sigma_schedule" in said:
            changed["sigma_schedule"] = None
        assert EulerDiscreteScheduler.from_config(config, **changed).config.use_exponential_sigmas


@pytest.mark.parametrize("name", ["Euler Karras", "Euler a", "DPM++ 2M", "Heun Beta"])
def test_the_reference_reads_a_config_with_settings_of_ours(name: str, tmp_path: Path) -> None:
    ours = named_scheduler(name, PNDMScheduler.from_config(PUBLISHED_V1))
    ours.save_pretrained(tmp_path)
    theirs: Any = getattr(diffusers, type(ours).__name__).from_pretrained(tmp_path)
    assert theirs.config["beta_end"] == 0.012
    theirs.set_timesteps(4)
    again = type(ours).from_pretrained(tmp_path)
    assert again.config.to_published() == ours.config.to_published()
    plain = EulerDiscreteScheduler().config.to_published()
    assert "sigma_schedule" not in plain  # of which the reference would warn


EDM: dict[str, Any] = {
    "_class_name": "EDMEulerScheduler",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "rho": 7.0,
    "sigma_data": 0.5,
    "sigma_max": 80.0,
    "sigma_min": 0.002,
    "sigma_schedule": "karras",
}


@pytest.mark.parametrize("name", ["EulerDiscreteScheduler", "DPMSolverMultistepScheduler"])
def test_the_levels_of_edm_go_to_other_schedulers(name: str, tmp_path: Path) -> None:
    for config in (EDM, {k: v for k, v in EDM.items() if k != "_class_name"}):
        scheduler = SCHEDULERS[name].from_config(config)
        assert scheduler.config.edm == (0.002, 80.0, 0.5)
        assert scheduler.config.ladder == "karras"
        scheduler.save_pretrained(tmp_path)
        assert SCHEDULERS[name].from_pretrained(tmp_path).config.edm == (0.002, 80.0, 0.5)
        # what is asked for counts
        asked = SCHEDULERS[name].from_config(config, sigma_schedule="exponential")
        assert asked.config.ladder == "exponential"


def test_unknown_names_say_the_nearest() -> None:
    with pytest.raises(UnknownArgumentError, match="beta_start"):
        PNDMScheduler(beta_strat=0.1)
    with pytest.raises(UnknownArgumentError, match="steps_offset"):
        PNDMScheduler.from_config({}, step_offset=1)
    with pytest.raises(UnknownNameError, match="Euler"):
        named_scheduler("eular", PNDMScheduler())
    with pytest.raises(UnknownNameError, match="PNDMScheduler"):
        scheduler_class("PNMDScheduler")
    with pytest.raises(InputError):
        PNDMScheduler.from_pretrained("/nowhere/at/all")


def test_an_override_for_other_schedulers_is_kept_for_them() -> None:
    pndm = PNDMScheduler.from_config(PUBLISHED_V1, steps_offset=1, clip_sample=False)
    assert DDIMScheduler.from_config(pndm.config).config.clip_sample is False


def test_short_names_lead_back_to_themselves() -> None:
    for name in SHORT_NAMES:
        assert short_name(named_scheduler(name, PNDMScheduler.from_config(PUBLISHED_V1))) == name


def test_values_of_other_libraries_schedulers_are_understood() -> None:
    unipc = {"_class_name": "UniPCMultistepScheduler", "solver_type": "bh2", "predict_x0": True}
    assert DPMSolverMultistepScheduler.from_config(unipc).config.solver_type == "midpoint"


def test_infinite_values_travel_but_are_not_saved(tmp_path: Path) -> None:
    unclipped = DDIMScheduler(clip_sample_range=float("inf"))
    assert DDIMScheduler.from_config(unclipped.config).config.clip_sample_range == float("inf")
    there = EulerDiscreteScheduler.from_config(unclipped.config)
    assert DDIMScheduler.from_config(there.config).config.clip_sample_range == float("inf")
    for scheduler in (unclipped, there):
        with pytest.raises(RequestError, match="clip_sample_range=inf cannot be saved"):
            scheduler.save_pretrained(tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("config", [None, "runwayml/stable-diffusion-v1-5", DDIMScheduler()])
def test_what_is_no_config_is_refused(config: Any) -> None:
    with pytest.raises(RequestError, match="from_config takes a scheduler's config, not") as caught:
        DDIMScheduler.from_config(config)
    assert "\n" not in str(caught.value)
    assert DDIMScheduler.from_config({"_use_default_values": None}).config.clip_sample is True


def test_a_config_and_settings_together_are_refused() -> None:
    config = DDIMScheduler(steps_offset=1).config
    assert DDIMScheduler(config).config.steps_offset == 1
    with pytest.raises(RequestError, match="not both; got clip_sample too"):
        DDIMScheduler(config, clip_sample=False)
