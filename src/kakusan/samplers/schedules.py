"""How noise levels are spaced: what that is called, and what a sampler on it is."""

from collections.abc import Iterable, Mapping
from functools import cache

from kakusan.samplers.names import folded
from kakusan.samplers.table import Meaning, Sampler

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
    "align_your_steps_sd1": ("align_your_steps_sd1",),
    "align_your_steps_sdxl": ("align_your_steps_sdxl",),
    "sd_turbo": ("sd_turbo",),
}
AUTOMATIC = "Automatic"
# The reference's words for the timesteps of a run
SPACINGS = ("leading", "linspace", "trailing")
KARRAS: Mapping[str, object] = {"use_karras_sigmas": True}
# What comes nearest in the reference's solvers, which walk down no ladder of those tools
NEAREST: Mapping[str, Mapping[str, object]] = {
    "uniform": {"timestep_spacing": "linspace"},
    "sgm_uniform": {"timestep_spacing": "trailing"},
    "simple": {"timestep_spacing": "trailing"},
    "karras": KARRAS,
    "exponential": {"use_exponential_sigmas": True},
    "beta": {"use_beta_sigmas": True},
}
_ON_THE_REFERENCES = (
    *("UniPCMultistepScheduler", "DEISMultistepScheduler", "DPMSolverSinglestepScheduler"),
)
# What the same method is called in steps of sigma, or what ComfyUI's is
ON_A_LADDER = {
    "DPMFastScheduler": "DPMFastScheduler",  # without AUTOMATIC1111's eta
    "DDIMScheduler": "EulerDiscreteScheduler",
    "DDPMScheduler": "EulerAncestralDiscreteScheduler",
}


def on_schedule(sampler: Sampler, schedule: str) -> Meaning:
    """A sampler on one of `SCHEDULES` that it takes."""
    if sampler.kind in _ON_THE_REFERENCES:
        return Meaning(sampler.kind, {**sampler.settings, **NEAREST[schedule]})
    ladder = {"sigma_schedule": schedule, "discard_penultimate_sigma": sampler.discards}
    if sampler.kind in ON_A_LADDER:
        return Meaning(ON_A_LADDER[sampler.kind], ladder)
    return Meaning(sampler.kind, {**sampler.settings, **ladder})


def schedules_of(sampler: Sampler) -> Iterable[str]:
    """Those of `SCHEDULES` that a sampler takes."""
    if sampler.kind in _ON_THE_REFERENCES:
        return NEAREST
    ladder = sampler.automatic is not None or sampler.kind == "DDPMScheduler"
    return SCHEDULES if ladder else ()


def label_of(schedule: str) -> str:
    """AUTOMATIC1111's name of one of `SCHEDULES`."""
    return SCHEDULES[schedule][0]


@cache
def words_for_schedules() -> frozenset[str]:
    """Every word for a schedule, folded."""
    words = {word for schedule, said in SCHEDULES.items() for word in (schedule, *said)}
    return frozenset(map(folded, (*words, AUTOMATIC)))
