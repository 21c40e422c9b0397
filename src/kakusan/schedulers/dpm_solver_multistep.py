"""DPM-Solver (arXiv:2206.00927) and DPM-Solver++ (arXiv:2211.01095), as multistep solvers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.dpm_solver import SOLVERS
from kakusan.schedulers.levels import Level, half_log_snr
from kakusan.schedulers.log_snr_scheduler import (
    FEW_STEPS,
    Known,
    LogSnrScheduler,
    SolverConfig,
    unclipped_timesteps,
)
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMSolverMultistepConfig(SolverConfig):
    """Settings of `DPMSolverMultistepScheduler`."""

    class_name = "DPMSolverMultistepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SolverConfig.choices,
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
        "solver_type": ("midpoint", "heun"),
        "final_sigmas_type": ("zero", "sigma_min"),
        "use_lu_lambdas": (False,),
        # What DDPM calls its variance; only a learned one would change anything here.
        "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "algorithm_type": {"deis": "dpmsolver++"},
        "solver_type": {"logrho": "midpoint", "bh1": "midpoint", "bh2": "midpoint"},
    }

    algorithm_type: str = "dpmsolver++"
    solver_type: str = "midpoint"
    lower_order_final: bool = True
    euler_at_final: bool = False
    use_lu_lambdas: bool = False
    final_sigmas_type: str = "zero"
    lambda_min_clipped: float = -math.inf
    variance_type: str | None = None
    rescale_betas_zero_snr: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.algorithm_type.endswith("++") and self.final_sigmas_type == "zero":
            raise RequestError(
                f"{self.class_name}: {self.algorithm_type!r} cannot reach noise level 0; "
                "set final_sigmas_type='sigma_min'"
            )
        if self.algorithm_type == "sde-dpmsolver" and self.solver_order == 3:
            raise RequestError(f"{self.class_name}: 'sde-dpmsolver' has solver_order 1 or 2, not 3")


MultistepConfigT = TypeVar("MultistepConfigT", bound=DPMSolverMultistepConfig)


class MultistepSolver(LogSnrScheduler[MultistepConfigT]):
    """Integrates the clean sample (++) or the noise over log SNR from up to three levels.

    The update is computed in float32 whatever the latents' dtype.
    """

    history: tuple[Known, ...] = ()  # latest first

    @property
    def is_deterministic(self) -> bool:
        return not self.config.algorithm_type.startswith("sde")

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, generator: Generators = None
    ) -> SchedulerOutput:
        """One step of the highest order that the config and the steps so far allow."""
        c, clean = self.config, self._limited(seen.clean)
        predicted = clean
        if not c.algorithm_type.endswith("++"):
            predicted = (x - now.alpha * clean) / now.sigma if c.thresholding else seen.noise
        known = (Known(now, predicted), *self.history)[: c.solver_order]
        if then.sigma == 0 and not c.algorithm_type.endswith("++"):  # on a ladder
            return SchedulerOutput(clean, clean)
        x = self._update(self._widened(x), known[: self._order(len(known))], then, generator)
        self.history = known
        return SchedulerOutput(x.to(predicted.dtype), clean)

    def _update(
        self, x: Tensor, known: Sequence[Known], then: Level, generator: Generators
    ) -> Tensor:
        now = known[0].level
        h = half_log_snr(then) - half_log_snr(now)
        half = self.config.solver_type == "midpoint" and len(known) < 3
        weights = SOLVERS[self.config.algorithm_type](then, now, h, half)
        noise = None
        if weights.noise is not None:
            noise = weights.noise * noise_like(x, generator)
        x = weights.sample * x
        for weight, difference in zip(weights.terms, _divided_differences(known, h), strict=False):
            x = x + weight * difference
        return x if noise is None else x + noise

    def _widened(self, x: Tensor) -> Tensor:
        """The sample in the dtype that the update is computed in."""
        return x.float()

    def _order(self, known: int) -> int:
        """Lower at the start, where little is known, and as the config asks at the end."""
        c, left = self.config, self.steps_left()
        if c.ladder is not None:  # as k-diffusion, whatever else the config says
            return 1 if left == 1 and self.sigmas[-1] == 0 else known
        lower = c.lower_order_final and len(self.timesteps) < FEW_STEPS
        if left == 1 and (lower or c.euler_at_final or not c.ends_at_sigma_min):
            return 1
        return min(2, known) if left == 2 and lower else known


class DPMSolverMultistepScheduler(MultistepSolver[DPMSolverMultistepConfig]):
    """DPM-Solver and DPM-Solver++ on the noise levels of training timesteps."""

    config_class = DPMSolverMultistepConfig
    takes_timesteps = True

    def _noisiest_timesteps(self) -> int:
        return unclipped_timesteps(self.alphas_cumprod, self.config.lambda_min_clipped)

    def _rounds_karras(self) -> bool:
        return self.config.beta_schedule != "squaredcos_cap_v2"


def _divided_differences(known: Sequence[Known], h: Tensor) -> tuple[Tensor, ...]:
    """D0, D1, D2 of arXiv:2211.01095, appendix B: the derivatives in units of `h`."""
    predicted = [each.predicted for each in known]
    if len(known) < 2:
        return tuple(predicted)
    lambdas = [half_log_snr(each.level) for each in known]
    r0 = (lambdas[0] - lambdas[1]) / h
    latest = 1.0 / r0 * (predicted[0] - predicted[1])
    if len(known) == 2:
        return predicted[0], latest
    r1 = (lambdas[1] - lambdas[2]) / h
    earlier = 1.0 / r1 * (predicted[1] - predicted[2])
    first = latest + r0 / (r0 + r1) * (latest - earlier)
    return predicted[0], first, 1.0 / (r0 + r1) * (latest - earlier)
