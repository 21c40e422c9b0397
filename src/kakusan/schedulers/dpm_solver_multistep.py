"""DPM-Solver (arXiv:2206.00927) and DPM-Solver++ (arXiv:2211.01095), as multistep solvers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import schedule
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import dynamic_threshold, predicted_clean, predicted_noise
from kakusan.schedulers.schedule import Floats
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep
from kakusan.schedulers.sigma_scheduler import SigmaScheduler

FEW_STEPS = 15  # below this, `lower_order_final` makes the last steps of lower order


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMSolverMultistepConfig(SchedulerConfig):
    """Settings of `DPMSolverMultistepScheduler`."""

    class_name = "DPMSolverMultistepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "algorithm_type": ("dpmsolver++", "sde-dpmsolver++", "dpmsolver", "sde-dpmsolver"),
        "solver_type": ("midpoint", "heun"),
        "final_sigmas_type": ("zero", "sigma_min"),
        "use_beta_sigmas": (False,),
        "use_lu_lambdas": (False,),
        "use_flow_sigmas": (False,),
        "use_dynamic_shifting": (False,),
        "time_shift_type": ("exponential",),
        # What DDPM calls its variance; only a learned one would change anything here.
        "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "algorithm_type": {"deis": "dpmsolver++"},
        "solver_type": {"logrho": "midpoint", "bh1": "midpoint", "bh2": "midpoint"},
    }

    timestep_spacing: str = "linspace"
    solver_order: int = 2
    thresholding: bool = False
    dynamic_thresholding_ratio: float = 0.995
    sample_max_value: float = 1.0
    algorithm_type: str = "dpmsolver++"
    solver_type: str = "midpoint"
    lower_order_final: bool = True
    euler_at_final: bool = False
    use_karras_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_beta_sigmas: bool = False
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


class _Level(NamedTuple):
    """A noise level as `alpha² + sigma² = 1`, and half its log signal-to-noise ratio."""

    alpha: Tensor
    sigma: Tensor
    half_log_snr: Tensor


def _level(sigma: Tensor) -> _Level:
    alpha = 1 / (sigma**2 + 1) ** 0.5
    scaled = sigma * alpha
    return _Level(alpha, scaled, torch.log(alpha) - torch.log(scaled))


# Each solver's exact integrals of the Taylor terms; `half` is the midpoint choice for the second.


def _ode_of_clean(end: _Level, start: _Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2211.01095, Algorithm 2 and appendix B."""
    e = torch.exp(-h) - 1.0
    first = -0.5 * (end.alpha * e) if half else end.alpha * (e / h + 1.0)
    second = -end.alpha * ((e + h) / h**2 - 0.5)
    return _Weights(end.sigma / start.sigma, (-end.alpha * e, first, second))


def _sde_of_clean(end: _Level, start: _Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2211.01095, equation 20: the reverse SDE, with noise."""
    e = 1 - torch.exp(-2.0 * h)
    first = 0.5 * (end.alpha * e) if half else end.alpha * (e / (-2.0 * h) + 1.0)
    second = end.alpha * ((e - 2.0 * h) / (2.0 * h) ** 2 - 0.5)
    kept = end.sigma / start.sigma * torch.exp(-h)
    return _Weights(kept, (end.alpha * e, first, second), end.sigma * torch.sqrt(e))


def _ode_of_noise(end: _Level, start: _Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2206.00927, equations 3.7 and B.5."""
    e = torch.exp(h) - 1.0
    first = -0.5 * (end.sigma * e) if half else -end.sigma * (e / h - 1.0)
    second = -end.sigma * ((e - h) / h**2 - 0.5)
    return _Weights(end.alpha / start.alpha, (-end.sigma * e, first, second))


def _sde_of_noise(end: _Level, start: _Level, h: Tensor, half: bool) -> _Weights:
    """arXiv:2211.01095, equation 18: the terms of the ODE doubled, with noise."""
    kept, (zeroth, first, second), _ = _ode_of_noise(end, start, h, half)
    noise = end.sigma * torch.sqrt(torch.exp(2 * h) - 1.0)
    return _Weights(kept, (2 * zeroth, 2 * first, 2 * second), noise)


SOLVERS: dict[str, Callable[[_Level, _Level, Tensor, bool], _Weights]] = {
    "dpmsolver++": _ode_of_clean,
    "sde-dpmsolver++": _sde_of_clean,
    "dpmsolver": _ode_of_noise,
    "sde-dpmsolver": _sde_of_noise,
}


class DPMSolverMultistepScheduler(SigmaScheduler[DPMSolverMultistepConfig]):
    """Integrates the clean sample (++) or the noise over log SNR from up to three levels.

    Latents keep variance 1. The update is computed in float32 whatever the latents' dtype.
    """

    config_class = DPMSolverMultistepConfig
    step_options = frozenset({"generator"})
    timestep_dtype = torch.int64

    @property
    def init_noise_sigma(self) -> float:
        return 1.0

    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:  # noqa: ARG002
        return sample

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        return self._clean_at(self._position(timestep), model_output, sample)

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        sigmas = self._sigmas_of(timesteps, original_samples)
        alphas = 1 / (sigmas**2 + 1) ** 0.5
        return alphas * original_samples + sigmas * alphas * noise

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        generator: Generators = None,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """One step of the highest order that the config and the steps so far allow."""
        index = self._begin_step(timestep)
        clean = self._clean_at(index, model_output, sample)
        predicted = clean
        if not self.config.algorithm_type.endswith("++"):
            predicted = self._noise_at(index, model_output, clean, sample)
        self._predicted = (*self._predicted, predicted)[-self.config.solver_order :]
        x = self._update(index, sample.float(), generator)
        return SchedulerOutput(x.to(predicted.dtype), clean)

    def _update(self, index: int, x: Tensor, generator: Generators) -> Tensor:
        recent = self._predicted[-self._order_at(index) :]
        end, start = _level(self.sigmas[index + 1]), _level(self.sigmas[index])
        h = end.half_log_snr - start.half_log_snr
        half = self.config.solver_type == "midpoint" and len(recent) < 3
        weights = SOLVERS[self.config.algorithm_type](end, start, h, half)
        differences = self._divided_differences(index, recent, h)
        noise = None
        if weights.noise is not None:
            noise = weights.noise * noise_like(x, generator)
        x = weights.sample * x
        for weight, difference in zip(weights.terms, differences, strict=False):
            x = x + weight * difference
        return x if noise is None else x + noise

    def _divided_differences(
        self, index: int, recent: Sequence[Tensor], h: Tensor
    ) -> tuple[Tensor, ...]:
        """D0, D1, D2 of arXiv:2211.01095, appendix B: the derivatives in units of `h`."""
        levels = [_level(self.sigmas[index - back]).half_log_snr for back in range(len(recent))]
        if len(recent) < 2:
            return tuple(recent)
        r0 = (levels[0] - levels[1]) / h
        latest = 1.0 / r0 * (recent[-1] - recent[-2])
        if len(recent) == 2:
            return recent[-1], latest
        r1 = (levels[1] - levels[2]) / h
        earlier = 1.0 / r1 * (recent[-2] - recent[-3])
        first = latest + r0 / (r0 + r1) * (latest - earlier)
        return recent[-1], first, 1.0 / (r0 + r1) * (latest - earlier)

    def _order_at(self, index: int) -> int:
        """Lower at the start, where little is known, and as the config asks at the end."""
        c, count = self.config, len(self._schedule)
        lower = c.lower_order_final and count < FEW_STEPS
        if index == count - 1 and (lower or c.euler_at_final or c.final_sigmas_type == "zero"):
            return 1
        if index == count - 2 and lower:
            return min(2, len(self._predicted))
        return len(self._predicted)

    def _clean_at(self, index: int, output: Tensor, sample: Tensor) -> Tensor:
        c, level = self.config, _level(self.sigmas[index])
        clean = predicted_clean(c.prediction_type, output, sample, level.alpha, level.sigma)
        if c.thresholding:
            return dynamic_threshold(clean, c.dynamic_thresholding_ratio, c.sample_max_value)
        return clean

    def _noise_at(self, index: int, output: Tensor, clean: Tensor, sample: Tensor) -> Tensor:
        level = _level(self.sigmas[index])
        if self.config.thresholding:
            return (sample - level.alpha * clean) / level.sigma
        return predicted_noise(
            self.config.prediction_type, output, sample, level.alpha, level.sigma
        )

    def _plan_timesteps(self, timesteps: Sequence[float]) -> None:
        self._plan_levels_at(timesteps)

    def _spaced(self, steps: int) -> Floats:
        """As elsewhere, but one timestep more is spaced and the cleanest of them left out."""
        c = self.config
        last = self._noisiest_timesteps()
        if c.timestep_spacing == "trailing":
            stride = c.num_train_timesteps / steps
            return np.arange(last, 0, -stride)[:steps].round() - 1
        spaced = schedule.spaced_timesteps(c.timestep_spacing, steps + 1, last, c.steps_offset)
        return spaced[:-1].round()

    def _noisiest_timesteps(self) -> int:
        """How many training timesteps are left once those below `lambda_min_clipped` are cut."""
        half_log_snr = torch.log(self.alphas_cumprod.sqrt()) - torch.log(
            (1 - self.alphas_cumprod).sqrt()
        )
        cut = torch.searchsorted(half_log_snr.flip(0), self.config.lambda_min_clipped)
        return self.config.num_train_timesteps - int(cut)

    def _respaced(
        self, sigmas: Floats, timesteps: Floats, highest: float, lowest: float
    ) -> tuple[Floats, Floats]:
        """Spaced between the ends of the whole schedule, not of the run."""
        c = self.config
        if not (c.use_karras_sigmas or c.use_exponential_sigmas):
            return sigmas, timesteps
        known = schedule.all_sigmas(self.alphas_cumprod)
        highest, lowest = float(known[-1]), float(known[0])
        sigmas, timesteps = super()._respaced(sigmas, timesteps, highest, lowest)
        if c.use_karras_sigmas and c.beta_schedule != "squaredcos_cap_v2":
            timesteps = timesteps.round()
        return sigmas, timesteps

    def _begin_run(self) -> None:
        super()._begin_run()
        self._predicted: tuple[Tensor, ...] = ()
