"""DPM-Solver (arXiv:2206.00927) and DPM-Solver++ (arXiv:2211.01095), as singlestep solvers."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.dpm_solver import SOLVERS
from kakusan.schedulers.levels import Level, half_log_snr
from kakusan.schedulers.log_snr_scheduler import (
    Known,
    LogSnrScheduler,
    SolverConfig,
    unclipped_timesteps,
)
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import TIMESTEP_SPACINGS, Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMSolverSinglestepConfig(SolverConfig):
    """Settings of `DPMSolverSinglestepScheduler`; its timesteps are always spaced evenly."""

    class_name = "DPMSolverSinglestepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SolverConfig.choices,
        "algorithm_type": ("dpmsolver++", "dpmsolver", "sde-dpmsolver++"),
        "solver_type": ("midpoint", "heun"),
        "final_sigmas_type": ("zero", "sigma_min"),
        # What DDPM calls its variance; only a learned one would change anything here.
        "variance_type": (None, "fixed_small", "fixed_small_log", "fixed_large", "fixed_large_log"),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "algorithm_type": {"deis": "dpmsolver++"},
        "solver_type": {"logrho": "midpoint", "bh1": "midpoint", "bh2": "midpoint"},
    }
    lacking: ClassVar[frozenset[str]] = frozenset({"timestep_spacing", "steps_offset"})

    algorithm_type: str = "dpmsolver++"
    solver_type: str = "midpoint"
    lower_order_final: bool = False
    final_sigmas_type: str = "zero"
    lambda_min_clipped: float = -math.inf
    variance_type: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.algorithm_type.endswith("++") and self.final_sigmas_type == "zero":
            raise RequestError(
                f"{self.class_name}: {self.algorithm_type!r} cannot reach noise level 0; "
                "set final_sigmas_type='sigma_min'"
            )


class _History(NamedTuple):
    """A step of high order that is under way."""

    known: tuple[Known, ...] = ()  # what was predicted on it, latest first
    start: Tensor | None = None  # the sample that it began with


class DPMSolverSinglestepScheduler(LogSnrScheduler[DPMSolverSinglestepConfig]):
    """Steps of second or third order that each begin anew, from a level and one or two after it.

    A model call on the way leads to a sample by what is known so far, so that every call is a step.
    Where the steps do not come out even, the last ones are of lower order.
    """

    config_class = DPMSolverSinglestepConfig
    takes_timesteps = True
    history = _History()

    @property
    def is_deterministic(self) -> bool:
        return not self.config.algorithm_type.startswith("sde")

    def advance(
        self, x: Tensor, seen: Prediction, now: Level, then: Level, *, generator: Generators = None
    ) -> SchedulerOutput:
        """Go on from where the step of high order began, by all that is known since."""
        c, clean = self.config, self._limited(seen.clean)
        predicted = clean
        if not c.algorithm_type.endswith("++"):
            predicted = (x - now.alpha * clean) / now.sigma if c.thresholding else seen.noise
        known = (Known(now, predicted), *self.history.known)[: c.solver_order]
        order = min(self._orders()[self._step_index or 0], len(known))
        if then.sigma == 0 and not c.algorithm_type.endswith("++"):  # on a ladder
            return SchedulerOutput(clean, clean)
        start = self.history.start
        if order == 1 or start is None:
            start = x
        self.history = _History(known, start)
        first = known[order - 1].level
        h = half_log_snr(then) - half_log_snr(first)
        half = c.solver_type == "midpoint" and order < 3
        weights = SOLVERS[c.algorithm_type](then, first, h, half)
        x = weights.sample * start
        derivatives = _derivatives(known[:order], h, c.solver_type == "heun")
        for weight, derivative in zip(weights.terms, derivatives, strict=False):
            x = x + weight * derivative
        if weights.noise is not None:
            x = x + weights.noise * noise_like(predicted, generator)
        return SchedulerOutput(x, clean)

    def _orders(self) -> list[int]:
        """The order of each step of the run: up to the highest, again and again.

        A last step of the highest order is made one of the first where the config asks for it, and
        into noise level 0 every one is; the reference turns `lower_order_final` on for that.
        """
        c, steps = self.config, len(self.schedule)
        to_zero = self.sigmas[-1] == 0
        orders = [1 + place % c.solver_order for place in range(steps)]
        if to_zero or (c.lower_order_final and steps % c.solver_order == 0):
            orders[-1] = 1
        return orders

    def _spaced(self, steps: int) -> Floats:
        spaced = TIMESTEP_SPACINGS["linspace"](steps + 1, self._noisiest_timesteps(), 0)
        return spaced[:-1].round()

    def _noisiest_timesteps(self) -> int:
        return unclipped_timesteps(self.alphas_cumprod, self.config.lambda_min_clipped)


def _derivatives(known: Sequence[Known], h: Tensor, exact: bool) -> tuple[Tensor, ...]:
    """D0, D1, D2 at the first of the known levels, which are latest first, in units of `h`.

    Args:
        exact: of third order, has the second derivative too (arXiv:2206.00927, Algorithm 2).
    """
    *later, first = known
    start = half_log_snr(first.level)
    ratios = [(half_log_snr(each.level) - start) / h for each in later]
    slopes = [
        1.0 / r * (each.predicted - first.predicted) for r, each in zip(ratios, later, strict=True)
    ]
    if len(slopes) < 2 or not exact:
        return first.predicted, *slopes[:1]
    (r0, r1), (of_latest, of_earlier) = ratios, slopes
    derivative = (r0 * of_earlier - r1 * of_latest) / (r0 - r1)
    return first.predicted, derivative, 2.0 * (of_latest - of_earlier) / (r0 - r1)
