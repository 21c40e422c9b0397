"""Names: ours, the reference's, AUTOMATIC1111's and k-diffusion's; where else a class is named."""

import re
from typing import Any

import pytest

import kakusan
from kakusan import schedulers
from kakusan.errors import UnknownNameError
from kakusan.images.parameters import SAMPLERS, parameters_text
from kakusan.schedulers import (
    SCHEDULERS,
    SHORT_NAMES,
    DPMSolverMultistepScheduler,
    PNDMScheduler,
    Scheduler,
    named_scheduler,
    names,
    short_name,
)

BASE = PNDMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("Euler", "euler"),
        ("Euler a", "euler-a"),
        ("euler A", "euler-a"),
        ("Heun", "heun"),
        ("LMS", "lms"),
        ("DDIM", "ddim"),
        ("PLMS", "pndm"),
        ("DPM++ 2M", "dpmpp-2m"),
        ("DPM++ 2M Uniform", "dpmpp-2m"),
        ("DPM++ 2M Karras", "dpmpp-2m-karras"),
        ("DPM++ 2M SDE", "dpmpp-2m-sde"),
        ("dpm++ 2m sde karras", "dpmpp-2m-sde-karras"),
        ("sample_euler", "euler"),
        ("sample_euler_ancestral", "euler-a"),
        ("sample_heun", "heun"),
        ("sample_lms", "lms"),
        ("sample_dpmpp_2m", "dpmpp-2m"),
        ("sample_dpmpp_2m_sde", "dpmpp-2m-sde"),
        ("DPMPP-2M", "dpmpp-2m"),
        ("eulerdiscretescheduler", "euler"),
        ("ddimscheduler", "DDIMScheduler"),  # the class alone says nothing of clipping
    ],
)
def test_names_of_other_tools_are_understood(name: str, short: str) -> None:
    named = named_scheduler(name, BASE)
    assert short_name(named) == short
    assert type(named) is type(named_scheduler(short, BASE))


@pytest.mark.parametrize("spacing", ["Karras", "Exponential", "Uniform"])
@pytest.mark.parametrize("sampler", ["Euler", "Heun", "LMS", "DPM++ 2M", "DPM++ 2M SDE"])
def test_the_word_for_a_spacing_decides_it(sampler: str, spacing: str) -> None:
    karras = DPMSolverMultistepScheduler.from_config(BASE.config, use_karras_sigmas=True)
    named: Any = named_scheduler(f"{sampler} {spacing}", karras)
    assert named.config.sigma_spacing == (None if spacing == "Uniform" else spacing.lower())
    assert type(named) is type(named_scheduler(sampler, BASE))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("eular", "'euler'"),
        ("DPM++ 2N", r"'DPM\+\+ 2M'"),
        ("DDIMM", "'ddim'"),
        ("sample_dpmpp_3m_sde", "'dpmpp-2m-sde'"),
    ],
)
def test_an_unknown_name_says_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean .*{nearest}"):
        named_scheduler(name, BASE)


@pytest.mark.parametrize("name", ["DDIM Karras", "Euler a Karras", "Karras", "Euler Cubic", ""])
def test_no_word_for_a_spacing_is_passed_by(name: str) -> None:
    with pytest.raises(UnknownNameError, match=re.escape(repr(name))):
        named_scheduler(name, BASE)


def test_no_name_means_two_things() -> None:
    meanings: dict[str, Any] = {}
    for name, (kind, settings) in names._meanings():
        seen = meanings.setdefault(name.casefold(), (kind, settings))
        assert seen == (kind, settings), name


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_class_is_exported_and_has_names(name: str) -> None:
    assert getattr(schedulers, name) is SCHEDULERS[name]
    assert name in kakusan.__all__, "add it to kakusan/__init__.py and __init__.pyi"
    assert SCHEDULERS[name].known_as
    assert SCHEDULERS[name].config_class.class_name == name


@pytest.mark.parametrize("name", SHORT_NAMES)
def test_pictures_name_the_sampler_as_its_class_does(name: str) -> None:
    # `images` knows no schedulers, so its table of names is data, held to the classes here.
    scheduler = named_scheduler(name, BASE)
    labels = [known.webui for known in scheduler.known_as if known.short == name and known.webui]
    text = parameters_text({"scheduler": scheduler.config.to_published()})
    for label in labels or [name_of_plain(name)]:
        assert f"Sampler: {label}" in text.replace(",", "\n").splitlines()
    assert set(SAMPLERS) == set(SCHEDULERS)


def name_of_plain(name: str) -> str:
    """AUTOMATIC1111's name of a sampler whose short name has a word for the spacing."""
    plain = name.removesuffix("-karras")
    kind, _ = SHORT_NAMES[plain]
    return next(str(known.webui) for known in kind.known_as if known.short == plain)


def test_which_schedulers_follow_one_path() -> None:
    noisy = {"ddpm", "euler-a", "dpmpp-2m-sde", "dpmpp-2m-sde-karras", "lcm", "tcd"}
    found = {name for name in SHORT_NAMES if not named_scheduler(name, BASE).is_deterministic}
    assert found == noisy
    sde: Scheduler = DPMSolverMultistepScheduler(
        algorithm_type="sde-dpmsolver", final_sigmas_type="sigma_min"
    )
    assert not sde.is_deterministic
