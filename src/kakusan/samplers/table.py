"""Every sampler there is: one row each, in the order in which they are shown."""

from collections.abc import Mapping
from typing import NamedTuple


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
        in_webui: whether AUTOMATIC1111 or Forge have it.
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
    in_webui: bool = True

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
        in_webui=False,
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
        in_webui=False,
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
    Sampler("tcd", "TCDScheduler", "TCD", None, random=True, in_webui=False),
    Sampler(
        *("restart", "RestartScheduler", "Restart", None),
        automatic="karras",
        calls=2,
        random=True,
    ),
    Sampler(
        *("heunpp2", "HeunPP2Scheduler", "HeunPP2", "heunpp2", ("sample_heunpp2",)),
        automatic="uniform",
        calls=3,
    ),
    # Of levels only the ends count, and AUTOMATIC1111 gives it its eta for ancestral samplers
    Sampler(
        *("dpm-fast", "DPMFastScheduler", "DPM fast", "dpm_fast", ("k_dpm_fast",)),
        settings={"eta": 1.0},
        random=True,
    ),
    # ComfyUI has no automatic schedule; long last steps, as on the uniform one, suit these least
    Sampler(
        *("res-multistep", "RESMultistepScheduler", "Res Multistep", "res_multistep"),
        ("sample_res_multistep",),
        automatic="karras",
        settings={"eta": 0.0},
        in_webui=False,
    ),
    Sampler(
        *("res-multistep-a", "RESMultistepScheduler", "Res Multistep a"),
        *("res_multistep_ancestral", ("sample_res_multistep_ancestral",)),
        automatic="karras",
        settings={"eta": 1.0},
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("gradient-estimation", "GradientEstimationScheduler", "Gradient Estimation"),
        *("gradient_estimation", ("sample_gradient_estimation",)),
        automatic="karras",
        in_webui=False,
    ),
    Sampler(
        *("er-sde", "ERSDEScheduler", "ER SDE", "er_sde", ("sample_er_sde",)),
        automatic="karras",
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("seeds-2", "SEEDS2Scheduler", "SEEDS 2", "seeds_2", ("sample_seeds_2",)),
        automatic="karras",
        settings={"r": 0.5, "solver_type": "phi_1", "eta": 1.0},
        calls=2,
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("seeds-3", "SEEDS3Scheduler", "SEEDS 3", "seeds_3", ("sample_seeds_3",)),
        automatic="karras",
        settings={"eta": 1.0},
        calls=3,
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("exp-heun", "SEEDS2Scheduler", "Exp Heun 2 x0", "exp_heun_2_x0"),
        ("sample_exp_heun_2_x0",),
        automatic="karras",
        settings={"r": 1.0, "solver_type": "phi_2", "eta": 0.0},
        calls=2,
        in_webui=False,
    ),
    Sampler(
        *("exp-heun-sde", "SEEDS2Scheduler", "Exp Heun 2 x0 SDE", "exp_heun_2_x0_sde"),
        ("sample_exp_heun_2_x0_sde",),
        automatic="karras",
        settings={"r": 1.0, "solver_type": "phi_2", "eta": 1.0},
        calls=2,
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("ddim-cfgpp", "DDIMCFGPPScheduler", "DDIM CFG++", None, ("ddim_cfgpp",)),
        settings={"clip_sample": False},
    ),
    Sampler(
        *("euler-cfgpp", "EulerCFGPPScheduler", "Euler CFG++"),
        *("euler_cfg_pp", ("sample_euler_cfg_pp",)),
        automatic="uniform",
        settings={"eta": 0.0},
        in_webui=False,
    ),
    Sampler(
        *("euler-a-cfgpp", "EulerCFGPPScheduler", "Euler a CFG++"),
        *("euler_ancestral_cfg_pp", ("sample_euler_ancestral_cfg_pp",)),
        automatic="uniform",
        settings={"eta": 1.0},
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("dpmpp-2m-cfgpp", "DPMPP2MCFGPPScheduler", "DPM++ 2M CFG++"),
        *("dpmpp_2m_cfg_pp", ("sample_dpmpp_2m_cfg_pp",)),
        automatic="karras",
        in_webui=False,
    ),
    Sampler(
        *("dpmpp-2s-a-cfgpp", "DPMPP2SCFGPPScheduler", "DPM++ 2S a CFG++"),
        *("dpmpp_2s_ancestral_cfg_pp", ("sample_dpmpp_2s_ancestral_cfg_pp",)),
        automatic="karras",
        settings={"eta": 1.0},
        calls=2,
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("res-cfgpp", "RESMultistepCFGPPScheduler", "Res Multistep CFG++"),
        *("res_multistep_cfg_pp", ("sample_res_multistep_cfg_pp",)),
        automatic="karras",
        settings={"eta": 0.0},
        in_webui=False,
    ),
    Sampler(
        *("res-a-cfgpp", "RESMultistepCFGPPScheduler", "Res Multistep a CFG++"),
        *("res_multistep_ancestral_cfg_pp", ("sample_res_multistep_ancestral_cfg_pp",)),
        automatic="karras",
        settings={"eta": 1.0},
        random=True,
        in_webui=False,
    ),
    Sampler(
        *("gradient-cfgpp", "GradientEstimationCFGPPScheduler", "Gradient Estimation CFG++"),
        *("gradient_estimation_cfg_pp", ("sample_gradient_estimation_cfg_pp",)),
        automatic="karras",
        in_webui=False,
    ),
)
