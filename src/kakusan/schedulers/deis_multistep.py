"""DEIS: the diffusion exponential integrator sampler (arXiv:2204.13902), multistep in log rho."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from kakusan.schedulers.levels import Level, half_log_snr
from kakusan.schedulers.log_snr_scheduler import FEW_STEPS, Known, LogSnrScheduler, SolverConfig
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class DEISMultistepConfig(SolverConfig):
    """Settings of `DEISMultistepScheduler`."""

    class_name = "DEISMultistepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SolverConfig.choices,
        "algorithm_type": ("deis",),
        "solver_type": ("logrho",),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "algorithm_type": {"dpmsolver": "deis", "dpmsolver++": "deis"},
        "solver_type": dict.fromkeys(("midpoint", "heun", "bh1", "bh2"), "logrho"),
    }

    # Ladders end at noise level 0
    lacking: ClassVar[frozenset[str]] = frozenset({"sigma_schedule", "discard_penultimate_sigma"})

    algorithm_type: str = "deis"
    solver_type: str = "logrho"
    lower_order_final: bool = True

    @property
    def ends_at_sigma_min(self) -> bool:
        """Always: log rho has no 0."""
        return True


class DEISMultistepScheduler(LogSnrScheduler[DEISMultistepConfig]):
    """Integrates the polynomial in log rho through the noise predicted at up to three levels.

    Rho is the noise to a clean sample of scale 1. A run ends at the training schedule's least.
    """

    config_class = DEISMultistepConfig
    history: tuple[Known, ...] = ()  # latest first

    def advance(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> SchedulerOutput:
        """One step of the highest order that the config and the steps so far allow."""
        clean = self._limited(seen.clean)
        noise = (x - now.alpha * clean) / now.sigma
        self.history = (Known(now, noise), *self.history)[: self.config.solver_order]
        known = self.history[: self._order(len(self.history))]
        if len(known) == 1:
            h = half_log_snr(then) - half_log_snr(now)
            x = then.alpha / now.alpha * x - then.sigma * (torch.exp(h) - 1.0) * noise
            return SchedulerOutput(x, clean)
        x = x / now.alpha
        for weight, each in zip(_weights([k.level for k in known], then), known, strict=True):
            x = x + weight * each.predicted
        return SchedulerOutput(then.alpha * x, clean)

    def _order(self, known: int) -> int:
        """Lower at the start, where little is known, and as the config asks at the end."""
        if self.config.lower_order_final and len(self.timesteps) < FEW_STEPS:
            return min(known, self.steps_left())
        return known

    def _plan_ladder(self, ladder: str, steps: int) -> None:
        """On EDM's levels alone, which end as respaced ones do."""
        super()._plan_ladder(ladder, steps)
        self.sigmas[-1] = self.sigmas[-2]

    def _last_sigma(self, sigmas: Floats) -> float:
        """The least of the schedule; respaced levels end at the last of themselves, taken twice."""
        if self.config.sigma_spacing is not None:
            return float(sigmas[-1])
        return super()._last_sigma(sigmas)


def _weights(known: Sequence[Level], then: Level) -> list[Tensor]:
    """The integral, over rho from the first level on, of each basis polynomial in log rho."""
    logs = [_log(each.sigma / each.alpha) for each in known]
    start, end = (each.sigma / each.alpha for each in (known[0], then))
    weights: list[Tensor] = []
    for index in range(len(logs)):
        node, *others = [*logs[index:], *logs[:index]]
        weights.append(_primitive(end, node, others) - _primitive(start, node, others))
    return weights


def _primitive(rho: Tensor, node: Tensor, others: Sequence[Tensor]) -> Tensor:
    """The integral of the basis polynomial that is 1 at `node` and 0 at one or two others."""
    t = _log(rho)
    if len(others) == 1:
        (c,) = others
        return rho * (-c + t - 1) / (node - c)
    c, d = others
    return rho * (c * (d - t + 1) - d * t + d + t**2 - 2 * t + 2) / ((node - c) * (node - d))


def _log(value: Tensor) -> Tensor:
    """In numpy's float32, whose last digit counts where differences of logarithms divide."""
    return torch.from_numpy(np.asarray(np.log(value.numpy())))
