"""DPM-Solver (arXiv:2206.00927) and DPM-Solver++ (arXiv:2211.01095), as multistep solvers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.config import SchedulerConfig, SpacedConfig
from kakusan.schedulers.levels import Level, half_log_snr
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction, dynamic_threshold
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import SigmaScheduler
from kakusan.schedulers.spacings import TIMESTEP_SPACINGS, Floats

FEW_STEPS = 15  # below this, `lower_order_final` makes the last steps of lower order


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMSolverMultistepConfig(SpacedConfig):
    """Settings of `DPMSolverMultistepScheduler`."""

    class_name = "DPMSolverMultistepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
        "solver_type": ("midpoint", "heun"),
        "final_sigmas_type": ("zero", "sigma_min"),
        "use_lu_lambdas": (False,),
        "use_dynamic_shifting": (False,),
        "time_shift_type": ("exponential",),
        # What DDPM calls its variance; only a learned one would change anything here.
        "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "algorithm_type": {"deis": "dpmsolver++"},
        "solver_type": {"logrho": "midpoint", "bh1": "midpoint", "bh2": "midpoint"},
    }

    solver_order: int = 2
    thresholding: bool = False
    dynamic_thresholding_ratio: float = 0.995
    sample_max_value: float = 1.0
    algorithm_type: str = "dpmsolver++"
    solver_type: str = "midpoint"
    lower_order_final: bool = True
    euler_at_final: bool = False
    use_lu_lambdas: bool = False
    use_flow_sigmas: bool = False
    flow_shift: float = 1.0
    use_dynamic_shifting: bool = False
    time_shift_type: str = "exponential"
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


class _Weights(NamedTuple):
    """x = sample * x + terms[0] * D0 + terms[1] * D1 + terms[2] * D2 + noise * z."""

    sample: Tensor
    terms: tuple[Tensor, Tensor, Tensor]
    noise: Tensor | None = None


# Each solver's exact integrals of the Taylor terms; `half` is the midpoint choice for the second.


def _ode_of_clean(end: Level, start: Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2211.01095, Algorithm 2 and appendix B."""
    e = torch.exp(-h) - 1.0
    first = -0.5 * (end.alpha * e) if half else end.alpha * (e / h + 1.0)
    second = -end.alpha * ((e + h) / h**2 - 0.5)
    return _Weights(end.sigma / start.sigma, (-end.alpha * e, first, second))


def _sde_of_clean(end: Level, start: Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2211.01095, equation 20: the reverse SDE, with noise."""
    e = 1 - torch.exp(-2.0 * h)
    first = 0.5 * (end.alpha * e) if half else end.alpha * (e / (-2.0 * h) + 1.0)
    second = end.alpha * ((e - 2.0 * h) / (2.0 * h) ** 2 - 0.5)
    kept = end.sigma / start.sigma * torch.exp(-h)
    return _Weights(kept, (end.alpha * e, first, second), end.sigma * torch.sqrt(e))


def _ode_of_noise(end: Level, start: Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2206.00927, equations 3.7 and B.5."""
    e = torch.exp(h) - 1.0
    first = -0.5 * (end.sigma * e) if half else -end.sigma * (e / h - 1.0)
    second = -end.sigma * ((e - h) / h**2 - 0.5)
    return _Weights(end.alpha / start.alpha, (-end.sigma * e, first, second))


def _sde_of_noise(end: Level, start: Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2211.01095, equation 18: the terms of the ODE doubled, with noise."""
    kept, (zeroth, first, second), _ = _ode_of_noise(end, start, h, half)
    noise = end.sigma * torch.sqrt(torch.exp(2 * h) - 1.0)
    return _Weights(kept, (2 * zeroth, 2 * first, 2 * second), noise)


SOLVERS: dict[str, Callable[[Level, Level, Tensor, bool], _Weights]] = {
    "dpmsolver++": _ode_of_clean,
    "sde-dpmsolver++": _sde_of_clean,
    "dpmsolver": _ode_of_noise,
    "sde-dpmsolver": _sde_of_noise,
}


class _Known(NamedTuple):
    """What was predicted, clean sample or noise, at a level."""

    level: Level
    predicted: Tensor


class DPMSolverMultistepScheduler(SigmaScheduler[DPMSolverMultistepConfig]):
    """Integrates the clean sample (++) or the noise over log SNR from up to three levels.

    Latents keep variance 1. The update is computed in float32 whatever the latents' dtype.
    """

    config_class = DPMSolverMultistepConfig
    takes_timesteps = True
    timestep_dtype = torch.int64
    history: tuple[_Known, ...] = ()  # latest first

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
        known = (_Known(now, predicted), *self.history)[: c.solver_order]
        x = self._update(x.float(), known[: self._order(len(known))], then, generator)
        self.history = known
        return SchedulerOutput(x.to(predicted.dtype), clean)

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        return self._limited(super().denoised(model_output, timestep, sample))

    def _update(
        self, x: Tensor, known: Sequence[_Known], then: Level, generator: Generators
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

    def _order(self, known: int) -> int:
        """Lower at the start, where little is known, and as the config asks at the end."""
        c, left = self.config, self.steps_left()
        if c.ladder is not None:  # as k-diffusion, whatever else the config says
            return 1 if left == 1 and self.sigmas[-1] == 0 else known
        lower = c.lower_order_final and len(self.timesteps) < FEW_STEPS
        if left == 1 and (lower or c.euler_at_final or not c.ends_at_sigma_min):
            return 1
        return min(2, known) if left == 2 and lower else known

    def _limited(self, clean: Tensor) -> Tensor:
        c = self.config
        if not c.thresholding:
            return clean
        return dynamic_threshold(clean, c.dynamic_thresholding_ratio, c.sample_max_value)

    def _spaced(self, steps: int) -> Floats:
        """As elsewhere, but one timestep more is spaced and the cleanest of them left out."""
        c = self.config
        last = self._noisiest_timesteps()
        if c.timestep_spacing == "trailing":
            stride = c.num_train_timesteps / steps
            return np.arange(last, 0, -stride)[:steps].round() - 1
        spaced = TIMESTEP_SPACINGS[c.timestep_spacing](steps + 1, last, c.steps_offset)
        return spaced[:-1].round()

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:
        """Between equal levels: the formula divides by the way."""
        return now == then

    def _noisiest_timesteps(self) -> int:
        """How many training timesteps are left once those below `lambda_min_clipped` are cut."""
        alphas_cumprod = self.alphas_cumprod
        lambdas = torch.log(alphas_cumprod.sqrt()) - torch.log((1 - alphas_cumprod).sqrt())
        cut = torch.searchsorted(lambdas.flip(0), self.config.lambda_min_clipped)
        return self.config.num_train_timesteps - int(cut)

    def _respaced(self, sigmas: Floats, timesteps: Floats) -> tuple[Floats, Floats]:
        c = self.config
        sigmas, timesteps = super()._respaced(sigmas, timesteps)
        if c.sigma_spacing == "karras" and c.beta_schedule != "squaredcos_cap_v2":
            timesteps = timesteps.round()
        return sigmas, timesteps

    def _ends(self, sigmas: Floats) -> tuple[float, float]:  # noqa: ARG002
        """Those of the whole schedule, not of the run."""
        known = self._known_sigmas()
        return float(known[0]), float(known[-1])


def _divided_differences(known: Sequence[_Known], h: Tensor) -> tuple[Tensor, ...]:
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
