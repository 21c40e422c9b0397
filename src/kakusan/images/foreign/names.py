"""Samplers and schedules of other tools in one name that kakusan knows."""

from collections.abc import Iterable

from kakusan.errors import UnknownNameError, shown
from kakusan.samplers import SAMPLERS, meaning_of, schedules_of

# InvokeAI's names mean the reference library's classes, on that library's timesteps
_INVOKEAI = {
    "ddim": "DDIM",
    "ddpm": "DDPM",
    "pndm": "PNDMScheduler",
    "deis": "DEISMultistepScheduler",
    "lms": "LMSDiscreteScheduler",
    "heun": "HeunDiscreteScheduler",
    "euler": "EulerDiscreteScheduler",
    "euler_a": "EulerAncestralDiscreteScheduler",
    "kdpm_2": "KDPM2DiscreteScheduler",
    "kdpm_2_a": "KDPM2AncestralDiscreteScheduler",
    "dpmpp_2s": "DPMSolverSinglestepScheduler",
    "dpmpp_2m": "DPMSolverMultistepScheduler",
    "dpmpp_2m_sde": "sde-dpmsolver++",
    "dpmpp_sde": "DPMSolverSDEScheduler",
    "unipc": "UniPCMultistepScheduler",
    "lcm": "LCMScheduler",
    "tcd": "TCDScheduler",
    # of InvokeAI before version 3
    "k_lms": "LMSDiscreteScheduler",
    "k_heun": "HeunDiscreteScheduler",
    "k_euler": "EulerDiscreteScheduler",
    "k_euler_a": "EulerAncestralDiscreteScheduler",
    "k_dpm_2": "KDPM2DiscreteScheduler",
    "k_dpm_2_a": "KDPM2AncestralDiscreteScheduler",
    "k_dpmpp_2": "DPMSolverMultistepScheduler",
    "plms": "PNDMScheduler",
}


def known(names: Iterable[str]) -> tuple[str | None, list[str]]:
    """The first of the names that kakusan knows; what is to be said of it, or of none."""
    why: str | None = None
    for name in names:
        try:
            ignored = meaning_of(name).ignored
        except UnknownNameError as error:
            why = why or f"its sampler cannot be told: {error}."
        else:
            return name, [f"{ignored}."] if ignored else []
    return None, [why] if why else []


def of_webui(sampler: str, schedule: str | None, *, old: bool) -> tuple[str | None, list[str]]:
    """AUTOMATIC1111's sampler on its schedule.

    Args:
        old: whether the version had no schedule types, so that a plain name meant Uniform.
    """
    named = schedule is not None and schedule.casefold() != "automatic"
    if named:
        name, said = known([f"{sampler} {schedule}", f"{sampler}/{schedule}"])
        alone = known([sampler])[0] if name is None else None
        if alone is None:
            return name, said
        return alone, [f"its schedule {shown(schedule)} is not known, so it is {sampler}'s own."]
    if old and _walks_a_ladder(sampler):
        return known([f"{sampler} Uniform"])
    return known([sampler])


def _walks_a_ladder(sampler: str) -> bool:
    """Whether a plain name of AUTOMATIC1111's is a sampler that schedules differ for."""
    plain = sampler.strip().casefold()
    if plain == "restart":  # on Karras's levels from the first
        return False
    return any(
        each.automatic is not None and plain in (each.webui.casefold(), *each.others)
        for each in SAMPLERS
        if "uniform" in schedules_of(each)
    )


def of_comfyui(sampler: str, schedule: str | None) -> tuple[str | None, list[str]]:
    """ComfyUI's sampler on its schedule, which its names with a slash are."""
    plain = sampler.removeprefix("sample_")
    if schedule is None:
        return known([f"{plain}/normal", plain])
    return known([f"{plain}/{schedule}"])


def of_sdcpp(sampler: str, schedule: str | None) -> tuple[str | None, list[str]]:
    """stable-diffusion.cpp's, whose usual schedule is discrete, which is Uniform."""
    if schedule is not None or " " in sampler.strip():  # which may hold its schedule
        return known([f"{sampler} {schedule or ''}".strip(), sampler])
    name, said = known([sampler])
    on_a_ladder = name is not None and "sigma_schedule" in meaning_of(name).settings
    return known([f"{sampler} discrete", sampler]) if on_a_ladder else (name, said)


def of_invokeai(scheduler: str) -> tuple[str | None, list[str]]:
    return known([_INVOKEAI.get(scheduler, scheduler)])
