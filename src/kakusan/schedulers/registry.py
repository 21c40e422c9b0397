"""Every scheduler there is: one line each, in the order in which they are shown.

All else follows from the classes: `SCHEDULERS`, `SHORT_NAMES`, the names that other tools use, and
what `kakusan.schedulers` exports.
"""

# ruff: noqa: I001

from kakusan.schedulers.pndm import PNDMScheduler as PNDMScheduler
from kakusan.schedulers.lms import LMSDiscreteScheduler as LMSDiscreteScheduler
from kakusan.schedulers.heun import HeunDiscreteScheduler as HeunDiscreteScheduler
from kakusan.schedulers.ddim import DDIMScheduler as DDIMScheduler
from kakusan.schedulers.ddpm import DDPMScheduler as DDPMScheduler
from kakusan.schedulers.euler import EulerDiscreteScheduler as EulerDiscreteScheduler
from kakusan.schedulers.euler_ancestral import (
    EulerAncestralDiscreteScheduler as EulerAncestralDiscreteScheduler,
)
from kakusan.schedulers.dpm_solver_multistep import (
    DPMSolverMultistepScheduler as DPMSolverMultistepScheduler,
)
from kakusan.schedulers.kdpm2 import KDPM2DiscreteScheduler as KDPM2DiscreteScheduler
from kakusan.schedulers.kdpm2_ancestral import (
    KDPM2AncestralDiscreteScheduler as KDPM2AncestralDiscreteScheduler,
)
from kakusan.schedulers.dpm_solver_singlestep import (
    DPMSolverSinglestepScheduler as DPMSolverSinglestepScheduler,
)
from kakusan.schedulers.dpmpp_2s_ancestral import (
    DPMPP2SAncestralScheduler as DPMPP2SAncestralScheduler,
)
from kakusan.schedulers.dpm_solver_sde import DPMSolverSDEScheduler as DPMSolverSDEScheduler
from kakusan.schedulers.dpmpp_2m_sde import DPMPP2MSDEScheduler as DPMPP2MSDEScheduler
from kakusan.schedulers.dpmpp_3m_sde import DPMPP3MSDEScheduler as DPMPP3MSDEScheduler
from kakusan.schedulers.unipc_multistep import UniPCMultistepScheduler as UniPCMultistepScheduler
from kakusan.schedulers.deis_multistep import DEISMultistepScheduler as DEISMultistepScheduler
from kakusan.schedulers.ipndm import ImprovedPNDMScheduler as ImprovedPNDMScheduler
from kakusan.schedulers.edm_euler import EDMEulerScheduler as EDMEulerScheduler
from kakusan.schedulers.edm_dpm_solver_multistep import (
    EDMDPMSolverMultistepScheduler as EDMDPMSolverMultistepScheduler,
)
from kakusan.schedulers.lcm import LCMScheduler as LCMScheduler
from kakusan.schedulers.tcd import TCDScheduler as TCDScheduler
from kakusan.schedulers.heunpp2 import HeunPP2Scheduler as HeunPP2Scheduler
from kakusan.schedulers.restart import RestartScheduler as RestartScheduler
from kakusan.schedulers.dpm_fast import DPMFastScheduler as DPMFastScheduler
from kakusan.schedulers.res_multistep import RESMultistepScheduler as RESMultistepScheduler
from kakusan.schedulers.gradient_estimation import (
    GradientEstimationScheduler as GradientEstimationScheduler,
)
from kakusan.schedulers.er_sde import ERSDEScheduler as ERSDEScheduler
from kakusan.schedulers.seeds_2 import SEEDS2Scheduler as SEEDS2Scheduler
from kakusan.schedulers.seeds_3 import SEEDS3Scheduler as SEEDS3Scheduler
from kakusan.schedulers.ddim_cfg_pp import DDIMCFGPPScheduler as DDIMCFGPPScheduler
from kakusan.schedulers.euler_cfg_pp import EulerCFGPPScheduler as EulerCFGPPScheduler
from kakusan.schedulers.dpmpp_2m_cfg_pp import DPMPP2MCFGPPScheduler as DPMPP2MCFGPPScheduler
from kakusan.schedulers.dpmpp_2s_cfg_pp import DPMPP2SCFGPPScheduler as DPMPP2SCFGPPScheduler
from kakusan.schedulers.res_multistep_cfg_pp import (
    RESMultistepCFGPPScheduler as RESMultistepCFGPPScheduler,
)
from kakusan.schedulers.gradient_estimation_cfg_pp import (
    GradientEstimationCFGPPScheduler as GradientEstimationCFGPPScheduler,
)
