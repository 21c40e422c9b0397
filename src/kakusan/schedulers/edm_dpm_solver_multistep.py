"""DPM-Solver++ (arXiv:2211.01095) on EDM's noise levels, which Playground v2.5 is drawn with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.dpm_solver_multistep import DPMSolverMultistepConfig, MultistepSolver
from kakusan.schedulers.edm_scheduler import SPACINGS, EdmConfig, EdmScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class EDMDPMSolverMultistepConfig(EdmConfig, DPMSolverMultistepConfig):
    """Settings of `EDMDPMSolverMultistepScheduler`."""

    class_name = "EDMDPMSolverMultistepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **DPMSolverMultistepConfig.choices,
        **EdmConfig.choices,
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++"),
        "solver_type": ("midpoint", "heun"),
    }
    lacking: ClassVar[frozenset[str]] = (
        EdmConfig.lacking
        | SPACINGS
        | {
            *("use_flow_sigmas", "flow_shift", "use_dynamic_shifting", "time_shift_type"),
            *("use_lu_lambdas", "lambda_min_clipped", "variance_type", "rescale_betas_zero_snr"),
        }
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.algorithm_type == "sde-dpmsolver++" and self.solver_order == 3:
            raise RequestError(
                f"{self.class_name}: 'sde-dpmsolver++' has solver_order 1 or 2, not 3"
            )


class EDMDPMSolverMultistepScheduler(
    EdmScheduler[EDMDPMSolverMultistepConfig], MultistepSolver[EDMDPMSolverMultistepConfig]
):
    """Integrates the clean sample over log SNR from up to three levels."""

    config_class = EDMDPMSolverMultistepConfig
    computed_in = torch.float32

    def _end(self, levels: Tensor) -> float:  # noqa: ARG002
        return self.config.sigma_min

    def _order(self, known: int) -> int:
        """Of the first where the run stays at the least noise, as nothing divides by that."""
        stays = self.config.ends_at_sigma_min and self.steps_left() == 1
        return 1 if stays else super()._order(known)

    def _widened(self, x: Tensor) -> Tensor:
        return x if x.dtype.itemsize > 4 else x.float()
