"""Names: ours, the reference's, and those of the tools that people know."""

from itertools import product
from typing import Any

import pytest

import kakusan
from kakusan import schedulers
from kakusan.errors import UnknownNameError
from kakusan.images.parameters import parameters_text
from kakusan.samplers import (
    ABSENT,
    ELSEWHERE,
    SAMPLERS,
    SCHEDULES,
    Meaning,
    classes,
    meaning_of,
    meanings,
)
from kakusan.samplers.names import folded
from kakusan.schedulers import (
    SCHEDULERS,
    SHORT_NAMES,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    PNDMScheduler,
    Scheduler,
    named_scheduler,
    scheduler_class,
    short_name,
)
from kakusan.schedulers.ladders import LADDERS

BASE = PNDMScheduler(
    beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
)


FULL_WIDTH = (
    "\uff24\uff30\uff2d\uff0b\uff0b\u3000\uff12\uff2d\u3000\uff2b\uff41\uff52\uff52\uff41\uff53"
)
OTHERS = {
    "Euler": "euler",
    "Euler a": "euler-a",
    "euler A": "euler-a",
    "EULER_ANCESTRAL": "euler-a",
    "euler_a": "euler-a",
    "k_euler_a": "euler-a",
    "k_euler_ancestral": "euler-a",
    "Heun": "heun",
    "LMS": "lms",
    "k_lms": "lms",
    "DDIM": "ddim",
    "PLMS": "pndm",
    "LCM": "lcm",
    "DPM++ 2M": "dpmpp-2m",
    "DPM++ 2M Karras": "dpmpp-2m",
    "DPM++ 2M Automatic": "dpmpp-2m",
    "dpmpp-2m-karras": "dpmpp-2m",
    "dpmpp_2m karras": "dpmpp-2m",
    "dpmpp_2m/karras": "dpmpp-2m",
    "dpm++2m": "dpmpp-2m",
    "k_dpmpp_2m_ka": "dpmpp-2m",
    "DPM++ 2M Uniform": "dpmpp-2m uniform",
    "dpmpp_2m/normal": "dpmpp-2m uniform",
    "dpm++2m discrete": "dpmpp-2m uniform",
    "DPM++ 2M SGM Uniform": "dpmpp-2m sgm_uniform",
    "DPM++ 2M SGMUniform": "dpmpp-2m sgm_uniform",
    "euler/sgm_uniform": "euler sgm_uniform",
    "Euler a Karras": "euler-a karras",
    "Euler Beta": "euler beta",
    "euler beta": "euler beta",
    "euler/beta": "euler beta_of_timesteps",
    "Euler KL Optimal": "euler kl_optimal",
    "euler/kl_optimal": "euler kl_optimal_to_zero",
    "euler linear_quadratic": "euler linear_quadratic",
    "DPM++ 2M Align Your Steps": "dpmpp-2m align_your_steps",
    "euler ays": "euler align_your_steps",
    "euler gits": "euler gits",
    "Euler Turbo": "euler turbo",
    "ddim ddim_uniform": "euler ddim_uniform",
    "ddim/karras": "euler karras",
    "DDIM Karras": "ddim",
    "DPM++ 2M, Schedule type: Karras": "dpmpp-2m",
    "Sampler: Euler a, Schedule type: SGM Uniform,": "euler-a sgm_uniform",
    "Sampler: LMS": "lms",
    FULL_WIDTH: "dpmpp-2m",
    "uni_pc": "unipc",
    "EulerDiscrete": "EulerDiscreteScheduler",
    "Euler Discrete": "euler",
    "DPMSolverMultistep": "DPMSolverMultistepScheduler",
    "DPM++ 2M SDE": "dpmpp-2m-sde",
    "DPM++ 2M SDE Exponential": "dpmpp-2m-sde",
    "dpm++ 2m sde karras": "dpmpp-2m-sde karras",
    "dpmpp_2m_sde_gpu/exponential": "dpmpp-2m-sde",
    "sample_euler": "euler",
    "sample_euler_ancestral": "euler-a",
    "sample_heun": "heun",
    "sample_lms": "lms",
    "sample_dpmpp_2m": "dpmpp-2m",
    "sample_dpmpp_2m_sde": "dpmpp-2m-sde",
    "eulerdiscretescheduler": "EulerDiscreteScheduler",
    "ddimscheduler": "DDIMScheduler",  # the class alone says nothing of clipping
}


def test_names_of_other_tools_are_understood() -> None:
    for name, short in OTHERS.items():
        named = named_scheduler(name, BASE)
        assert short_name(named) == short
        again = named_scheduler(short, BASE)
        assert type(named) is type(again)
        assert dict(named.config) == dict(again.config)


EULER, EULER_A = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
MULTISTEP, SINGLESTEP = "DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler"
SDE_2M, SDE_3M = "DPMPP2MSDEScheduler", "DPMPP3MSDEScheduler"
DPM2, DPM2_A = "KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler"
LADDERED = [
    # AUTOMATIC1111's labels and aliases, on their automatic schedules
    *((name, EULER_A, "uniform") for name in ("Euler a", "k_euler_a", "k_euler_ancestral")),
    *((name, EULER, "uniform") for name in ("Euler", "k_euler")),
    *((name, "LMSDiscreteScheduler", "uniform") for name in ("LMS", "k_lms")),
    *((name, "HeunDiscreteScheduler", "uniform") for name in ("Heun", "k_heun")),
    *((name, DPM2, "karras") for name in ("DPM2", "k_dpm_2", "k_dpm_2_ka", "DPM2 Karras")),
    *((name, DPM2_A, "karras") for name in ("DPM2 a", "k_dpm_2_a", "k_dpm_2_a_ka")),
    *((name, "DPMPP2SAncestralScheduler", "karras") for name in ("DPM++ 2S a", "k_dpmpp_2s_a")),
    *((name, MULTISTEP, "karras") for name in ("DPM++ 2M", "k_dpmpp_2m", "k_dpmpp_2m_ka")),
    *((name, "DPMSolverSDEScheduler", "karras") for name in ("DPM++ SDE", "k_dpmpp_sde_ka")),
    *((name, SDE_2M, "exponential") for name in ("DPM++ 2M SDE", "k_dpmpp_2m_sde")),
    ("DPM++ 2M SDE Heun", SDE_2M, "exponential"),
    ("DPM++ 2M SDE Heun Karras", SDE_2M, "karras"),
    ("DPM++ 2M SDE Karras", SDE_2M, "karras"),
    *((name, SDE_3M, "exponential") for name in ("DPM++ 3M SDE", "k_dpmpp_3m_sde")),
    # ComfyUI's, with and without their scheduler
    ("euler normal", EULER, "uniform"),
    ("euler_ancestral/normal", EULER_A, "uniform"),
    ("dpm_2 karras", DPM2, "karras"),
    ("dpm_2_ancestral", DPM2_A, "karras"),
    ("dpmpp_2s_ancestral/karras", "DPMPP2SAncestralScheduler", "karras"),
    ("dpmpp_sde_gpu/karras", "DPMSolverSDEScheduler", "karras"),
    ("dpmpp_2m_sde_gpu exponential", SDE_2M, "exponential"),
    ("dpmpp_2m_sde_heun_gpu/beta", SDE_2M, "beta_of_timesteps"),
    ("dpmpp_3m_sde_gpu", SDE_3M, "exponential"),
    ("ddim/ddim_uniform", EULER, "ddim_uniform"),
    ("ddpm/normal", EULER_A, "uniform"),
    ("ddpm karras", EULER_A, "karras"),
    *((name, "ImprovedPNDMScheduler", "uniform") for name in ("IPNDM", "ipndm_v", "IPNDM_V")),
    ("ipndm_v/karras", "ImprovedPNDMScheduler", "karras"),
    ("Restart", "RestartScheduler", "karras"),
    ("Restart Uniform", "RestartScheduler", "uniform"),
    ("HeunPP2", "HeunPP2Scheduler", "uniform"),
    ("heunpp2/karras", "HeunPP2Scheduler", "karras"),
    ("dpm_fast/karras", "DPMFastScheduler", "karras"),
    ("dpm_fast normal", "DPMFastScheduler", "uniform"),
    *((name, "RESMultistepScheduler", "karras") for name in ("res_multistep", "Res Multistep a")),
    ("res_multistep_ancestral/sgm_uniform", "RESMultistepScheduler", "sgm_uniform"),
    ("gradient_estimation/beta", "GradientEstimationScheduler", "beta_of_timesteps"),
    ("er_sde", "ERSDEScheduler", "karras"),
    ("er_sde simple", "ERSDEScheduler", "simple"),
    ("seeds_2/karras", "SEEDS2Scheduler", "karras"),
    ("seeds_3", "SEEDS3Scheduler", "karras"),
    *((name, "SEEDS2Scheduler", "karras") for name in ("exp_heun_2_x0", "exp_heun_2_x0_sde")),
    ("euler_cfg_pp", "EulerCFGPPScheduler", "uniform"),
    ("Euler CFG++ Karras", "EulerCFGPPScheduler", "karras"),
    ("euler_ancestral_cfg_pp/beta", "EulerCFGPPScheduler", "beta_of_timesteps"),
    ("dpmpp_2m_cfg_pp", "DPMPP2MCFGPPScheduler", "karras"),
    ("dpmpp_2s_ancestral_cfg_pp", "DPMPP2SCFGPPScheduler", "karras"),
    ("res_multistep_cfg_pp", "RESMultistepCFGPPScheduler", "karras"),
    ("res_multistep_ancestral_cfg_pp", "RESMultistepCFGPPScheduler", "karras"),
    ("gradient_estimation_cfg_pp", "GradientEstimationCFGPPScheduler", "karras"),
    # stable-diffusion.cpp's
    ("dpm++2s_a", "DPMPP2SAncestralScheduler", "karras"),
    ("dpm2", DPM2, "karras"),
    ("dpm++2m ays", MULTISTEP, "align_your_steps"),
    ("euler_a sgm_uniform", EULER_A, "sgm_uniform"),
    ("euler discrete", EULER, "uniform"),
    # k-diffusion's functions
    ("sample_dpm_2", DPM2, "karras"),
    ("sample_dpm_2_ancestral", DPM2_A, "karras"),
    ("sample_dpmpp_2s_ancestral", "DPMPP2SAncestralScheduler", "karras"),
    ("sample_dpmpp_sde", "DPMSolverSDEScheduler", "karras"),
    ("sample_dpmpp_2m_sde", SDE_2M, "exponential"),
    ("sample_dpmpp_3m_sde", SDE_3M, "exponential"),
]


def test_a_name_is_a_class_on_a_ladder() -> None:
    spaced = DPMSolverMultistepScheduler.from_config(BASE.config, use_beta_sigmas=True)
    for base, (name, kind, schedule) in product((BASE, spaced), LADDERED):
        scheduler = named_scheduler(name, base)
        assert type(scheduler).__name__ == kind, name
        assert scheduler.config.ladder == schedule
        assert scheduler.config.sigma_spacing is None
        assert scheduler.config.discards_penultimate is (kind in (DPM2, DPM2_A, SDE_3M))
        if kind == SDE_2M:
            heun = "heun" if "heun" in name.casefold() else "midpoint"
            assert scheduler.config["solver_type"] == heun


OF_THE_REFERENCE: Any = [
    ("DDIM", "DDIMScheduler", {"clip_sample": False}),
    ("PLMS", "PNDMScheduler", {"skip_prk_steps": True}),
    ("pndm", "PNDMScheduler", {"skip_prk_steps": True}),
    ("ddpm", "DDPMScheduler", {}),
    ("LCM", "LCMScheduler", {}),
    ("k_lcm", "LCMScheduler", {}),
    ("tcd", "TCDScheduler", {}),
    ("UniPC", "UniPCMultistepScheduler", {"use_karras_sigmas": False}),
    ("UniPC", "UniPCMultistepScheduler", {"solver_type": "bh1", "solver_order": 3}),
    ("uni_pc", "UniPCMultistepScheduler", {"solver_type": "bh1", "solver_order": 3}),
    ("uni_pc_bh2", "UniPCMultistepScheduler", {"solver_type": "bh2", "solver_order": 3}),
    ("uni_pc_bh2 karras", "UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    ("uni_pc_bh2/normal", "UniPCMultistepScheduler", {"timestep_spacing": "linspace"}),
    ("euler trailing", EULER, {"timestep_spacing": "trailing"}),
    ("DPM++ 2M leading", MULTISTEP, {"timestep_spacing": "leading", "solver_order": 2}),
    ("DPM++ 3M Karras", MULTISTEP, {"solver_order": 3, "use_karras_sigmas": True}),
    ("unipc", "UniPCMultistepScheduler", {}),
    ("unipc_k", "UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    ("uni_pc karras", "UniPCMultistepScheduler", {"use_karras_sigmas": True}),
    ("uni_pc/beta", "UniPCMultistepScheduler", {"use_beta_sigmas": True}),
    ("uni_pc/simple", "UniPCMultistepScheduler", {"timestep_spacing": "trailing"}),
    ("UniPC Automatic", "UniPCMultistepScheduler", {}),
    ("DEIS", "DEISMultistepScheduler", {}),
    ("deis_k", "DEISMultistepScheduler", {"use_karras_sigmas": True}),
    ("deis/exponential", "DEISMultistepScheduler", {"use_exponential_sigmas": True}),
    ("dpmpp_2s", SINGLESTEP, {"solver_order": 2, "use_karras_sigmas": False}),
    ("dpmpp_2s_k", SINGLESTEP, {"solver_order": 2, "use_karras_sigmas": True}),
    ("dpmpp_2m_k", MULTISTEP, {"solver_order": 2, "use_karras_sigmas": True}),
    ("dpmpp_2m_sde_k", MULTISTEP, {"algorithm_type": "sde-dpmsolver++"}),
    ("dpmpp_3m", MULTISTEP, {"solver_order": 3, "use_karras_sigmas": False}),
    ("dpmpp_3m_k", MULTISTEP, {"solver_order": 3, "use_karras_sigmas": True}),
    ("dpmpp_sde_k", "DPMSolverSDEScheduler", {"noise_sampler_seed": 0}),
    ("euler_k", EULER, {"use_karras_sigmas": True}),
    ("heun_k", "HeunDiscreteScheduler", {"use_karras_sigmas": True}),
    ("lms_k", "LMSDiscreteScheduler", {"use_karras_sigmas": True}),
    ("kdpm_2_k", DPM2, {"use_karras_sigmas": True}),
    ("kdpm_2_a_k", DPM2_A, {"use_karras_sigmas": True}),
    ("ddim_trailing", "DDIMScheduler", {"timestep_spacing": "trailing"}),
    *((name, "DPMFastScheduler", {"eta": 1.0}) for name in ("DPM fast", "dpm_fast", "k_dpm_fast")),
    ("sample_dpm_fast", "DPMFastScheduler", {"eta": 0.0}),
    *((name, "DDIMCFGPPScheduler", {}) for name in ("DDIM CFG++", "ddim_cfgpp", "ddim_cfg_pp")),
]


# All of ComfyUI's samplers, as it lists them
COMFYUI = """
euler euler_cfg_pp euler_ancestral euler_ancestral_cfg_pp heun heunpp2 exp_heun_2_x0
exp_heun_2_x0_sde dpm_2 dpm_2_ancestral lms dpm_fast dpm_adaptive dpmpp_2s_ancestral
dpmpp_2s_ancestral_cfg_pp dpmpp_sde dpmpp_sde_gpu dpmpp_2m dpmpp_2m_cfg_pp dpmpp_2m_sde
dpmpp_2m_sde_gpu dpmpp_2m_sde_heun dpmpp_2m_sde_heun_gpu dpmpp_3m_sde dpmpp_3m_sde_gpu ddpm
lcm ipndm ipndm_v deis res_multistep res_multistep_cfg_pp res_multistep_ancestral
res_multistep_ancestral_cfg_pp gradient_estimation gradient_estimation_cfg_pp er_sde seeds_2
seeds_3 sa_solver sa_solver_pece ddim uni_pc uni_pc_bh2
"""
ITS_SCHEDULES = """
normal karras exponential sgm_uniform simple ddim_uniform beta linear_quadratic kl_optimal
"""
REFUSED = {"dpm_adaptive", "sa_solver", "sa_solver_pece"}


def test_every_name_that_comfyui_offers_is_a_sampler_or_says_the_nearest() -> None:
    for name in COMFYUI.split():
        for said in (name, *(f"{name}/{schedule}" for schedule in ITS_SCHEDULES.split())):
            if name in REFUSED:
                with pytest.raises(UnknownNameError, match="is not there; the nearest is "):
                    named_scheduler(said, BASE)
            else:
                named_scheduler(said, BASE).set_timesteps(6)


def test_a_name_is_the_references_class() -> None:
    base = named_scheduler("Euler Exponential", BASE)
    for name, kind, settings in OF_THE_REFERENCE:
        scheduler = named_scheduler(name, base)
        assert type(scheduler).__name__ == kind, name
        assert {key: scheduler.config[key] for key in settings} == settings
        assert scheduler.config.ladder is None
        scheduler.set_timesteps(5)


def test_names_that_only_one_tool_has_mean_what_it_does() -> None:
    ladder = named_scheduler("DPM++ 2M Exponential", BASE)
    for name, meaning in ELSEWHERE.items():
        named = named_scheduler(name, ladder)
        assert type(named).__name__ == meaning.kind
        assert {key: named.config[key] for key in meaning.settings} == meaning.settings
        assert named.config.ladder is None
        assert named.config.sigma_spacing == ("karras" if name.endswith("_k") else None)


@pytest.mark.parametrize("sampler", ["Euler", "Euler a", "Heun", "LMS", "DPM++ 2M"])
def test_the_word_for_a_schedule_decides_it(sampler: str) -> None:
    karras = DPMSolverMultistepScheduler.from_config(BASE.config, use_karras_sigmas=True)
    for schedule, word in ((each, word) for each in LADDERS for word in SCHEDULES[each]):
        named: Any = named_scheduler(f"{sampler} {word}", karras)
        assert named.config.sigma_schedule == schedule
        assert named.config.sigma_spacing is None
        assert type(named) is type(named_scheduler(sampler, BASE))


def test_sdxl_has_levels_of_its_own() -> None:
    for name in ("Euler Align Your Steps", "Euler GITS"):
        plain, xl = named_scheduler(name, BASE), named_scheduler(name, BASE, xl=True)
        assert xl.config["sigma_schedule"] == f"{plain.config['sigma_schedule']}_xl"
    assert named_scheduler("Euler", BASE, xl=True).config["sigma_schedule"] == "uniform"


def test_a_class_name_leaves_the_spacing_as_it_was() -> None:
    karras = EulerDiscreteScheduler.from_config(BASE.config, use_karras_sigmas=True)
    for base, spacing, ladder in (
        (karras, "karras", None),
        (named_scheduler("Euler Beta", BASE), None, "beta"),
    ):
        named = named_scheduler("DPMSolverMultistepScheduler", base)
        assert (named.config.sigma_spacing, named.config.ladder) == (spacing, ladder)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("eular", "'Euler'"),
        ("DPM++ 2N", r"'DPM\+\+ 2M'"),
        ("DDIMM", "'DDIM'"),
        ("pndn", "'pndm'"),
        ("DPM++ 2M Karas", r"'DPM\+\+ 2M Karras'"),
        ("dpmpp_2m/karas", "'dpmpp_2m/karras'"),
        ("EulerDiscretScheduler", "'EulerDiscreteScheduler'"),
    ],
)
def test_an_unknown_name_says_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean .*{nearest}") as caught:
        named_scheduler(name, BASE)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith("`kakusan schedulers` lists them")


@pytest.mark.parametrize(
    "name",
    ["Euler Cubic", "LCM trailing", "", " ", "++", "/", " " * 10**6, "a" * 10**6],
)
def test_no_word_is_passed_by(name: str) -> None:
    with pytest.raises(UnknownNameError, match="no scheduler is called"):
        named_scheduler(name, BASE)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("DPM adaptive", "'DPM adaptive' is not there; the nearest is DPM.* 2M, in a number of"),
        ("k_dpm_ad", "the nearest is DPM"),
        ("dpm_adaptive/karras", "the nearest is DPM"),
        ("sa_solver", r"the nearest is DPM\+\+ 2M SDE$"),
        ("res_2s/karras", "the nearest is Exp Heun 2 x0$"),
        ("dpm++2mv2", r"the nearest is DPM\+\+ 2M$"),
        ("IPNDMScheduler", "IPNDMScheduler is not there yet; use ImprovedPNDMScheduler, the"),
    ],
)
def test_a_sampler_that_is_not_there_says_the_nearest(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message) as caught:
        named_scheduler(name, BASE)
    assert "\n" not in str(caught.value)
    if name.endswith("Scheduler"):
        with pytest.raises(UnknownNameError, match=message):
            scheduler_class(name)


def test_what_is_named_as_nearest_is_there() -> None:
    known = {name: meaning_of(name) for sampler in SAMPLERS for name in sampler.names}
    for instead, absent in ABSENT.items():
        assert instead.split(",")[0] in known
        assert not set(absent) & set(known)


@pytest.mark.parametrize("name", ["karras", "Automatic", "SGM Uniform", "ays", "trailing"])
def test_a_schedule_alone_says_where_it_belongs(name: str) -> None:
    with pytest.raises(UnknownNameError, match=f"write 'euler {name}'"):
        named_scheduler(name, BASE)
    named_scheduler(f"euler {name}", BASE)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("LCM Karras", "LCM"),
        ("lcm sgm_uniform", "LCM"),
        ("lcm/sgm_uniform", "LCM"),
        ("LCM, Schedule type: SGM Uniform", "LCM"),
        ("tcd sgm_uniform", "TCD"),
        ("PLMS Karras", "PLMS"),
        ("DDIM Karras", "DDIM"),
        ("UniPC KL Optimal", "UniPC"),
        ("DPM fast Karras", "DPM fast"),
    ],
)
def test_a_schedule_that_counts_for_nothing_is_said(name: str, plain: str) -> None:
    meaning = meaning_of(name)
    assert f"{plain} has timesteps of its own" in (meaning.ignored or "")
    assert meaning._replace(ignored=None) == meaning_of(plain)


def test_what_counts_is_not_said_to_be_ignored() -> None:
    for name in ("DDIM", "ddim/karras", "ddim normal", "UniPC Karras", "LCM Automatic"):
        assert meaning_of(name).ignored is None


def test_no_name_means_two_things() -> None:
    seen: dict[str, Meaning] = {}
    found = [
        *((folded(name), Meaning(name, spaced=False)) for name in classes()),
        *((folded(name), meaning) for name, meaning in ELSEWHERE.items()),
        *(pair for each in SAMPLERS for pair in meanings._names_of(each)),
    ]
    for name, meaning in found:
        assert seen.setdefault(name, meaning) == meaning, name


def test_the_table_of_names_has_every_class_and_ladder() -> None:
    assert classes() == list(SCHEDULERS), "a row of kakusan.samplers is missing, or one too many"
    assert set(SCHEDULES) == set(LADDERS)
    assert {each.automatic for each in SAMPLERS} <= {None, *LADDERS}
    assert set(SHORT_NAMES) == {each.short for each in SAMPLERS}


def test_what_the_table_says_of_a_sampler_is_so() -> None:
    for sampler in SAMPLERS:
        scheduler = named_scheduler(sampler.short, BASE)
        assert sampler.calls == type(scheduler).order, sampler
        assert sampler.random is not scheduler.is_deterministic, sampler
        assert meaning_of(sampler.webui) == meaning_of(sampler.short)


def test_a_class_is_exported() -> None:
    for name, kind in SCHEDULERS.items():
        assert getattr(schedulers, name) is kind
        assert name in kakusan.__all__, "add it to kakusan/__init__.py and __init__.pyi"
        assert kind.config_class.class_name == name


def test_pictures_name_the_sampler_as_the_web_ui_does() -> None:
    words = ["", *(names[0] for names in SCHEDULES.values())]
    for sampler, word in product(SAMPLERS, words):
        if word and not sampler.automatic:
            continue
        scheduler = named_scheduler(f"{sampler.short} {word}", BASE)
        text = parameters_text({"scheduler": scheduler.config.to_published()})
        lines = [line.strip() for line in text.split(",")]
        assert f"Sampler: {sampler.webui}" in lines
        assert not word or f"Schedule type: {word}" in lines


def test_which_schedulers_follow_one_path() -> None:
    sde: Scheduler = DPMSolverMultistepScheduler(
        algorithm_type="sde-dpmsolver", final_sigmas_type="sigma_min"
    )
    assert not sde.is_deterministic
