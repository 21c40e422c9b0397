"""Names that only one tool has, and samplers that are not there."""

from collections.abc import Mapping

from kakusan.samplers import table
from kakusan.samplers.schedules import KARRAS
from kakusan.samplers.table import Meaning

_REFERENCE_2M = {"algorithm_type": "dpmsolver++", "solver_order": 2}
# InvokeAI's names that no other tool has, and stable-diffusion.cpp's
ELSEWHERE: Mapping[str, Meaning] = {
    "euler_k": Meaning("EulerDiscreteScheduler", KARRAS),
    "heun_k": Meaning("HeunDiscreteScheduler", KARRAS),
    "lms_k": Meaning("LMSDiscreteScheduler", KARRAS),
    "dpmpp_2m_k": Meaning("DPMSolverMultistepScheduler", {**_REFERENCE_2M, **KARRAS}),
    "dpmpp_2m_sde_k": Meaning(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "sde-dpmsolver++", "solver_order": 2, **KARRAS},
    ),
    # which the tools call dpmpp_2m_sde, as others do k-diffusion's
    "sde-dpmsolver++": Meaning(
        "DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}
    ),
    "dpmpp_3m": Meaning(
        "DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++", "solver_order": 3}
    ),
    "dpmpp_3m_k": Meaning(
        "DPMSolverMultistepScheduler",
        {"algorithm_type": "dpmsolver++", "solver_order": 3, **KARRAS},
    ),
    "dpmpp_2s_k": Meaning("DPMSolverSinglestepScheduler", {**_REFERENCE_2M, **KARRAS}),
    "dpmpp_sde_k": Meaning("DPMSolverSDEScheduler", {"noise_sampler_seed": 0, **KARRAS}),
    "kdpm_2_k": Meaning("KDPM2DiscreteScheduler", KARRAS),
    "kdpm_2_a_k": Meaning("KDPM2AncestralDiscreteScheduler", KARRAS),
    "unipc_k": Meaning("UniPCMultistepScheduler", KARRAS),
    "deis_k": Meaning("DEISMultistepScheduler", {"algorithm_type": "deis", **KARRAS}),
    "uni_pc_bh2": Meaning("UniPCMultistepScheduler", {"solver_type": "bh2", "solver_order": 3}),
    "sample_dpm_fast": Meaning("DPMFastScheduler"),
    "ddim_trailing": Meaning(
        "DDIMScheduler", {"clip_sample": False, "timestep_spacing": "trailing"}
    ),
}

# Samplers of those tools that are not there: what to take instead -> what they are called
ABSENT: Mapping[str, tuple[str, ...]] = {
    "DPM++ 2M, in a number of steps that you choose": (
        *("DPM adaptive", "dpm_adaptive", "k_dpm_ad", "sample_dpm_adaptive"),
    ),
    "DPM++ 2M": ("dpmpp_2m_v2", "dpmpp_2mv2"),
    "Exp Heun 2 x0": ("res_2s",),
    "DPM++ 2M SDE": ("sa_solver", "sa_solver_pece"),
}


# Classes that no tool has a name for: the reference's for models on EDM's noise levels
_OF_EDM = ("EDMEulerScheduler", "EDMDPMSolverMultistepScheduler")


def classes() -> list[str]:
    """The names of all classes."""
    kinds = (
        *(each.kind for each in table.SAMPLERS),
        *(each.kind for each in ELSEWHERE.values()),
        *_OF_EDM,
    )
    return sorted(set(kinds))
