"""What samplers and noise schedules are called: one table for every tool's names, without torch.

AUTOMATIC1111's and ComfyUI's names mean what those tools do: k-diffusion's functions on their own
noise levels (the setting `sigma_schedule`). The reference library's class names, and InvokeAI's
where only InvokeAI has them, mean the reference's. Case, spaces, hyphens, underscores and plus
signs do not matter. What several tools mean differently is decided so:

- A name of AUTOMATIC1111's wins: "euler" and "dpmpp_2m" are its Euler and DPM++ 2M.
- Without a word for the schedule it is AUTOMATIC1111's automatic one: "DPM++ 2M" is on Karras's.
- "Beta" and "KL Optimal" are AUTOMATIC1111's, but with a slash ComfyUI's: "euler/beta".
- DDIM, PLMS, UniPC, DEIS, LCM and TCD are the reference's on its timesteps, UniPC and DEIS with a
  schedule on its nearest one. Other schedules change nothing of them, as in AUTOMATIC1111's, and
  that is said; but "ddim/karras" is ComfyUI's, which is Euler, and DDPM with one Euler a.
- UniPC's variant and order are the tools' own: "uni_pc_bh2" is ComfyUI's, "UniPC" the other.
- A word of the reference's for timesteps, such as "euler trailing", means the reference's sampler.
- "DPM++ 2S" and "DPM++ 3M" without more are InvokeAI's, the reference's solvers; its "kdpm_2"
  cannot be told from AUTOMATIC1111's "k_dpm_2", and is that.
"""

import difflib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from kakusan.errors import UnknownNameError, nearest, shown
from kakusan.later import PACKAGE


class Sampler(NamedTuple):
    """A sampler as people know it.

    Attributes:
        short: the command line's name.
        kind: the class that it is.
        webui: AUTOMATIC1111's name, or the one that its text in pictures has here.
        comfyui: ComfyUI's.
        others: more names, those of k-diffusion's functions and of AUTOMATIC1111's aliases.
        automatic: on which of `SCHEDULES` it is where no other is named; None where it has
            timesteps of its own.
        settings: what the name says of the class's settings.
        calls: of the model in a step.
        random: whether it adds noise on the way.
        discards: whether its tools leave out the last level above 0.
    """

    short: str
    kind: str
    webui: str
    comfyui: str | None
    others: tuple[str, ...] = ()
    automatic: str | None = None
    settings: Mapping[str, object] = {}
    calls: int = 1
    random: bool = False
    discards: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        known = (self.short, self.webui, self.comfyui, *self.others)
        return tuple(name for name in known if name is not None)


class Meaning(NamedTuple):
    """A class of `kakusan.schedulers` and what a name says of its settings.

    Attributes:
        spaced: whether the name says how noise levels are spaced, so that what another config says
            of it does not count.
        ignored: what the name says that counts for nothing, for people.
    """

    kind: str
    settings: Mapping[str, object] = {}
    spaced: bool = True
    ignored: str | None = None


SAMPLERS = (
    Sampler(
        *("pndm", "PNDMScheduler", "PLMS", None, ("plms",)),
        settings={"skip_prk_steps": True},
    ),
    Sampler(
        *("lms", "LMSDiscreteScheduler", "LMS", "lms", ("k_lms", "sample_lms")),
        automatic="uniform",
    ),
    Sampler(
        *("heun", "HeunDiscreteScheduler", "Heun", "heun", ("k_heun", "sample_heun")),
        automatic="uniform",
        calls=2,
    ),
    # Latents are not pixels within [-1, 1], so clipping them is never meant
    Sampler("ddim", "DDIMScheduler", "DDIM", "ddim", settings={"clip_sample": False}),
    Sampler(
        *("ddpm", "DDPMScheduler", "DDPM", "ddpm"),
        settings={"clip_sample": False},
        random=True,
    ),
    Sampler(
        *("euler", "EulerDiscreteScheduler", "Euler", "euler", ("k_euler", "sample_euler")),
        automatic="uniform",
    ),
    Sampler(
        *("euler-a", "EulerAncestralDiscreteScheduler", "Euler a", "euler_ancestral"),
        ("k_euler_a", "k_euler_ancestral", "sample_euler_ancestral"),
        automatic="uniform",
        random=True,
    ),
    Sampler(
        *("dpmpp-2m", "DPMSolverMultistepScheduler", "DPM++ 2M", "dpmpp_2m"),
        ("k_dpmpp_2m", "sample_dpmpp_2m"),
        automatic="karras",
        settings={"algorithm_type": "dpmsolver++", "solver_order": 2, "solver_type": "midpoint"},
    ),
    Sampler(
        *("dpmpp-2m-sde", "DPMPP2MSDEScheduler", "DPM++ 2M SDE", "dpmpp_2m_sde"),
        ("dpmpp_2m_sde_gpu", "k_dpmpp_2m_sde", "sample_dpmpp_2m_sde"),
        automatic="exponential",
        settings={"solver_type": "midpoint", "eta": 1.0},
        random=True,
    ),
    Sampler(
        *("dpmpp-2m-sde-heun", "DPMPP2MSDEScheduler", "DPM++ 2M SDE Heun", "dpmpp_2m_sde_heun"),
        ("dpmpp_2m_sde_heun_gpu", "k_dpmpp_2m_sde_heun"),
        automatic="exponential",
        settings={"solver_type": "heun", "eta": 1.0},
        random=True,
    ),
    Sampler(
        *("dpmpp-3m-sde", "DPMPP3MSDEScheduler", "DPM++ 3M SDE", "dpmpp_3m_sde"),
        ("dpmpp_3m_sde_gpu", "k_dpmpp_3m_sde", "sample_dpmpp_3m_sde"),
        automatic="exponential",
        settings={"eta": 1.0},
        random=True,
        discards=True,
    ),
    Sampler(
        *("dpmpp-sde", "DPMSolverSDEScheduler", "DPM++ SDE", "dpmpp_sde"),
        ("dpmpp_sde_gpu", "k_dpmpp_sde", "sample_dpmpp_sde"),
        automatic="karras",
        settings={"noise_sampler_seed": None},
        calls=2,
        random=True,
    ),
    Sampler(
        *("dpmpp-2s-a", "DPMPP2SAncestralScheduler", "DPM++ 2S a", "dpmpp_2s_ancestral"),
        ("k_dpmpp_2s_a", "sample_dpmpp_2s_ancestral"),
        automatic="karras",
        settings={"eta": 1.0},
        calls=2,
        random=True,
    ),
    Sampler(
        *("dpmpp-2s", "DPMSolverSinglestepScheduler", "DPM++ 2S", None),
        settings={"algorithm_type": "dpmsolver++", "solver_order": 2},
    ),
    Sampler(
        *("dpm2", "KDPM2DiscreteScheduler", "DPM2", "dpm_2", ("k_dpm_2", "sample_dpm_2")),
        automatic="karras",
        calls=2,
        discards=True,
    ),
    Sampler(
        *("dpm2-a", "KDPM2AncestralDiscreteScheduler", "DPM2 a", "dpm_2_ancestral"),
        ("k_dpm_2_a", "k_dpm_2_ancestral", "sample_dpm_2_ancestral"),
        automatic="karras",
        calls=2,
        random=True,
        discards=True,
    ),
    Sampler(
        *("unipc", "UniPCMultistepScheduler", "UniPC", "uni_pc"),
        settings={"solver_type": "bh1", "solver_order": 3},
    ),
    Sampler(
        *("deis", "DEISMultistepScheduler", "DEIS", "deis"),
        settings={"algorithm_type": "deis"},
    ),
    Sampler(
        *("ipndm", "ImprovedPNDMScheduler", "IPNDM", "ipndm", ("sample_ipndm",)),
        automatic="uniform",
        settings={"variable_steps": False},
    ),
    Sampler(
        *("ipndm-v", "ImprovedPNDMScheduler", "IPNDM_V", "ipndm_v", ("sample_ipndm_v",)),
        automatic="uniform",
        settings={"variable_steps": True},
    ),
    Sampler(
        *("lcm", "LCMScheduler", "LCM", "lcm", ("k_lcm",)),
        settings={"clip_sample": False},
        random=True,
    ),
    Sampler("tcd", "TCDScheduler", "TCD", None, random=True),
)

_REFERENCE_2M = {"algorithm_type": "dpmsolver++", "solver_order": 2}
_KARRAS = {"use_karras_sigmas": True}
# InvokeAI's names that no other tool has, and stable-diffusion.cpp's
ELSEWHERE: Mapping[str, Meaning] = {
    "euler_k": Meaning("EulerDiscreteScheduler", _KARRAS),
    "heun_k": Meaning("HeunDiscreteScheduler", _KARRAS),
    "lms_k": Meaning("LMSDiscreteScheduler", _KARRAS),
    "dpmpp_2m_k": Meaning("DPMSolverMultistepScheduler", {**_REFERENCE_2M, **_KARRAS}),
    "dpmpp_2m_sde_k": Meaning(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, **_KARRAS},
    ),
    "dpmpp_3m": Meaning(
        "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 3}
    ),
    "dpmpp_3m_k": Meaning(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 3, **_KARRAS},
    ),
    "dpmpp_2s_k": Meaning("DPMSolverSinglestepScheduler", {**_REFERENCE_2M, **_KARRAS}),
    "dpmpp_sde_k": Meaning("DPMSolverSDEScheduler", {"noise_sampler_seed": 0, **_KARRAS}),
    "kdpm_2_k": Meaning("KDPM2DiscreteScheduler", _KARRAS),
    "kdpm_2_a_k": Meaning("KDPM2AncestralDiscreteScheduler", _KARRAS),
    "unipc_k": Meaning("UniPCMultistepScheduler", _KARRAS),
    "deis_k": Meaning("DEISMultistepScheduler", {"algorithm_type": "deis", **_KARRAS}),
    "uni_pc_bh2": Meaning("UniPCMultistepScheduler", {"solver_type": "bh2", "solver_order": 3}),
    "ddim_trailing": Meaning(
        "DDIMScheduler", {"clip_sample": False, "timestep_spacing": "trailing"}
    ),
}

# Samplers of those tools that are not there: what to take instead -> what they are called
ABSENT: Mapping[str, tuple[str, ...]] = {
    "DPM++ 2M, in a number of steps that you choose": (
        *("DPM adaptive", "dpm_adaptive", "k_dpm_ad", "sample_dpm_adaptive"),
    ),
    "DPM++ 2M": (
        *("DPM fast", "dpm_fast", "k_dpm_fast", "sample_dpm_fast", "dpmpp_2m_v2", "dpmpp_2mv2"),
        *("res_multistep", "res_2s", "gradient_estimation", "exp_heun_2_x0", "dpmpp_2m_cfg_pp"),
        "res_multistep_cfg_pp",
    ),
    "Heun, which is the same but for the way back": ("Restart", "restart"),
    "Heun": ("HeunPP2", "heunpp2", "sample_heunpp2"),
    "DDIM": ("DDIM CFG++", "ddim_cfgpp", "ddim_cfg_pp"),
    "Euler": ("Euler CFG++", "euler_cfg_pp"),
    "Euler a": ("Euler a CFG++", "euler_ancestral_cfg_pp", "res_multistep_ancestral"),
    "DPM++ 2S a": ("dpmpp_2s_ancestral_cfg_pp", "exp_heun_2_x0_sde"),
    "DPM++ 2M SDE": ("er_sde", "sa_solver", "sa_solver_pece", "seeds_2"),
    "DPM++ 3M SDE": ("seeds_3",),
}

# Of each `sigma_schedule` AUTOMATIC1111's name (or the tool's that has it), and others
SCHEDULES: Mapping[str, tuple[str, ...]] = {
    "uniform": ("Uniform", "normal", "discrete"),
    "karras": ("Karras", "ka"),
    "exponential": ("Exponential", "exp"),
    "polyexponential": ("Polyexponential",),
    "sgm_uniform": ("SGM Uniform",),
    "simple": ("Simple",),
    "ddim_uniform": ("DDIM", "ddim_uniform"),
    "beta": ("Beta",),
    "kl_optimal": ("KL Optimal",),
    "linear_quadratic": ("linear_quadratic",),
    "align_your_steps": ("Align Your Steps", "ays"),
    "align_your_steps_xl": ("Align Your Steps XL", "ays_xl"),
    "gits": ("Align Your Steps GITS", "gits"),
    "gits_xl": ("Align Your Steps GITS XL", "gits_xl"),
    "turbo": ("Turbo",),
    "beta_of_timesteps": ("beta_of_timesteps",),
    "kl_optimal_to_zero": ("kl_optimal_to_zero",),
}
AUTOMATIC = "Automatic"
# As AUTOMATIC1111's text in pictures says it
_IN_PICTURES = re.compile(
    r"(?:sampler:)?([^,:]+)(?:,\s*schedule type:([^,:]+))?,?\s*", re.IGNORECASE
)
_LONGEST = 200  # characters of a name
# Schedules that ComfyUI's names mean where they are not AUTOMATIC1111's
_AFTER_A_SLASH = {"beta": "beta_of_timesteps", "kl_optimal": "kl_optimal_to_zero"}
# Words for schedules that are ComfyUI's alone, folded
_OF_COMFYUI = ("normal", "ddimuniform", "linearquadratic")
# What comes nearest in the reference's solvers, which walk down no ladder of those tools
_NEAREST: Mapping[str, Mapping[str, object]] = {
    "uniform": {"timestep_spacing": "linspace"},
    "sgm_uniform": {"timestep_spacing": "trailing"},
    "simple": {"timestep_spacing": "trailing"},
    "karras": _KARRAS,
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
}
_ON_THE_REFERENCES = (
    *("UniPCMultistepScheduler", "DEISMultistepScheduler", "DPMSolverSinglestepScheduler"),
)
# What the same method is called in steps of sigma
_ON_A_LADDER = {
    "DDIMScheduler": "EulerDiscreteScheduler",
    "DDPMScheduler": "EulerAncestralDiscreteScheduler",
}
# Of those with a schedule
_ELSEWHERE_ON_IT = ("uni_pc_bh2", "dpmpp_3m")
# The reference's words for the timesteps of a run
_SPACINGS = ("leading", "linspace", "trailing")
_WITH_FIXED_TIMESTEPS = ("LCMScheduler", "TCDScheduler")
# Those that are another for SDXL
_OF_XL = {"align_your_steps": "align_your_steps_xl", "gits": "gits_xl"}


def meaning_of(name: str, *, xl: bool = False) -> Meaning:
    """What a name of any tool means.

    Args:
        xl: whether the model is SDXL, which has levels of its own on some schedules.

    Raises:
        UnknownNameError: no scheduler is called that; the message has the nearest names.
    """
    plain = _plain(name)
    key = _folded(plain)
    if plain.isalnum() and key.endswith("discrete"):  # a class, not a sampler on a schedule
        key = f"{key}scheduler"
    found = _meanings().get(key)
    if found is None:
        raise unknown(name)
    schedule = str(found.settings.get("sigma_schedule"))
    if xl and schedule in _OF_XL:
        return found._replace(settings={**found.settings, "sigma_schedule": _OF_XL[schedule]})
    return found


def unknown(name: str, known: Iterable[str] | None = None) -> UnknownNameError:
    """The error for a name that is none of a scheduler's, with what is nearest to it.

    Args:
        known: what could have been said; None for every name.
    """
    if name in PACKAGE:
        return UnknownNameError(f"{name} is not there yet; {PACKAGE[name]}")
    instead = _absent().get(_folded(_plain(name)))
    if instead is not None:
        return UnknownNameError(f"{shown(name)} is not there; the nearest is {instead}")
    hint = _hint(_plain(name)) if known is None else f".{nearest(name, known)}"
    return UnknownNameError(f"no scheduler is called {shown(name)}{hint}")


def _hint(name: str) -> str:
    """What was meant by a name that is not known."""
    folded = _folded(name)
    if folded in {*_words(), *_SPACINGS}:
        return f": that says how noise levels are spaced; write 'euler {shown(name)[1:-1]}'"
    known = {each: said for each, said in _said().items() if ("/" in each) == ("/" in folded)}
    close = difflib.get_close_matches(folded, known, n=3, cutoff=0.7)
    near = [_likeness(folded, each) for each in close]
    best = [known[each] for each, like in zip(close, near, strict=True) if like > near[0] - 0.075]
    guess = f" Did you mean {' or '.join(map(repr, best))}?" if best else ""
    return f".{guess} `kakusan schedulers` lists them"


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, one).ratio()


def on_schedule(sampler: Sampler, schedule: str) -> Meaning:
    """A sampler on one of `SCHEDULES` that it takes."""
    if sampler.kind in _ON_THE_REFERENCES:
        return Meaning(sampler.kind, {**sampler.settings, **_NEAREST[schedule]})
    ladder = {"sigma_schedule": schedule, "discard_penultimate_sigma": sampler.discards}
    if sampler.kind in _ON_A_LADDER:
        return Meaning(_ON_A_LADDER[sampler.kind], ladder)
    return Meaning(sampler.kind, {**sampler.settings, **ladder})


def schedules_of(sampler: Sampler) -> Iterable[str]:
    """Those of `SCHEDULES` that a sampler takes."""
    if sampler.kind in _ON_THE_REFERENCES:
        return _NEAREST
    ladder = sampler.automatic is not None or sampler.kind == "DDPMScheduler"
    return SCHEDULES if ladder else ()


def classes() -> list[str]:
    """The names of all classes."""
    kinds = (*(each.kind for each in SAMPLERS), *(each.kind for each in ELSEWHERE.values()))
    return sorted(set(kinds))


def label_of(schedule: str) -> str:
    """AUTOMATIC1111's name of one of `SCHEDULES`."""
    return SCHEDULES[schedule][0]


def _plain(name: str) -> str:
    """A name in ordinary letters, without the keys of a picture's text that it was copied from."""
    if len(name) > _LONGEST:
        return ""
    plain = unicodedata.normalize("NFKC", name).strip()
    copied = _IN_PICTURES.fullmatch(plain)
    return plain if copied is None else f"{copied[1].strip()} {(copied[2] or '').strip()}".strip()


def _folded(name: str) -> str:
    """A name without case and without what separates words; a slash stays."""
    plain = name.casefold().replace("++", "pp")
    return "".join(each for each in plain if each.isalnum() or each == "/")


@cache
def _words() -> frozenset[str]:
    """Every word for a schedule, folded."""
    words = {word for schedule, said in SCHEDULES.items() for word in (schedule, *said)}
    return frozenset(map(_folded, (*words, AUTOMATIC)))


@cache
def _meanings() -> dict[str, Meaning]:
    """Every name, folded."""
    found = {
        _folded(name.removesuffix("Scheduler")): Meaning(name, spaced=False) for name in classes()
    }
    found |= {_folded(name): Meaning(name, spaced=False) for name in classes()}
    found |= {_folded(name): meaning for name, meaning in ELSEWHERE.items()}
    found |= dict(_elsewhere_on_schedules())
    return found | {name: meaning for each in SAMPLERS for name, meaning in _names_of(each)}


def _elsewhere_on_schedules() -> Iterator[tuple[str, Meaning]]:
    for name in _ELSEWHERE_ON_IT:
        plain = ELSEWHERE[name]
        for schedule, settings in _NEAREST.items():
            on = plain._replace(settings={**plain.settings, **settings})
            for word in map(_folded, {schedule, *SCHEDULES[schedule]}):
                yield _folded(name) + word, on
                yield f"{_folded(name)}/{word}", on


@cache
def _absent() -> dict[str, str]:
    """Every name of what is not there, folded, alone and with a schedule; what is nearest."""
    after = ("", *_words())
    return {
        _folded(name) + between + word: instead
        for instead, names in ABSENT.items()
        for name in names
        for word in after
        for between in (("", "/") if word else ("",))
    }


def _names_of(sampler: Sampler) -> Iterator[tuple[str, Meaning]]:
    plain = Meaning(sampler.kind, sampler.settings)
    if sampler.automatic is not None:
        plain = on_schedule(sampler, sampler.automatic)
    for name in map(_folded, sampler.names):
        yield name, plain
        yield name + _folded(AUTOMATIC), plain
        for spacing in () if sampler.kind in _WITH_FIXED_TIMESTEPS else _SPACINGS:
            on = Meaning(sampler.kind, {**sampler.settings, "timestep_spacing": spacing})
            yield name + spacing, on
            yield f"{name}/{spacing}", on
        for schedule, words in SCHEDULES.items():
            slashed = _on(sampler, schedule, comfyui=True)
            for word in map(_folded, {schedule, *words}):
                yield name + word, _on(sampler, schedule, comfyui=word in _OF_COMFYUI)
                yield f"{name}/{word}", slashed


def _on(sampler: Sampler, schedule: str, *, comfyui: bool) -> Meaning:
    """A sampler on a schedule as AUTOMATIC1111 or ComfyUI means it."""
    if comfyui:
        meant = _AFTER_A_SLASH.get(schedule, schedule)
        if sampler.kind in _ON_A_LADDER:
            return on_schedule(sampler, meant)
        schedule = meant if meant in schedules_of(sampler) else schedule
    if schedule in schedules_of(sampler):
        return on_schedule(sampler, schedule)
    why = (
        f"{sampler.webui} has timesteps of its own here, so that {label_of(schedule)} changes "
        "nothing of it"
    )
    return Meaning(sampler.kind, sampler.settings, ignored=why)


@cache
def _said() -> dict[str, str]:
    """The names that messages guess, under what they are folded."""
    found = {_folded(name): name for name in classes()}
    for each in SAMPLERS:
        found |= {_folded(name): name for name in (each.short, each.comfyui, each.webui) if name}
        for schedule in schedules_of(each):
            label = label_of(schedule)
            found[_folded(each.webui + label)] = f"{each.webui} {label}"
            if each.comfyui is not None:
                pair = f"{each.comfyui}/{schedule}"
                found[_folded(pair)] = pair
    return found
