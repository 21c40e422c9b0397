"""SEEDS-2 and exponential Heun, as ComfyUI's `sample_seeds_2` and `sample_exp_heun_2_x0`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.seeds import SEEDSConfig, SEEDSScheduler, phi_1, phi_2


@dataclass(frozen=True, kw_only=True, eq=False)
class SEEDS2Config(SEEDSConfig):
    """Settings of `SEEDS2Scheduler`.

    Attributes:
        r: at which share of the way, in log sigma, the second call is made.
        solver_type: how both calls are weighed; phi_1 by `r` alone, phi_2 by the step's length too.
    """

    class_name = "SEEDS2Scheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "solver_type": ("phi_1", "phi_2"),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "solver_type": dict.fromkeys(("midpoint", "heun", "logrho", "bh1", "bh2"), "phi_1"),
    }

    r: float = 0.5
    solver_type: str = "phi_1"


class SEEDS2Scheduler(SEEDSScheduler[SEEDS2Config]):
    """Two calls a step, with noise in both halves; with `r` 1 it is Heun's method."""

    config_class = SEEDS2Config
    order = 2

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        s_noise: float = 1.0,
        generator: Generators = None,
    ) -> SchedulerOutput:
        """Go to the second call, or the whole step with what both saw."""
        r, clean = self.config.r, seen.clean
        begun = self._begun(x, now.sigma, clean)
        if begun.h.isinf():
            return SchedulerOutput(clean, clean)
        whole = begun.h * (1 + self.config.eta)
        if self.history is None:
            self.history = begun = self._noised(begun, (0, r), seen.output, generator)
            ahead = phi_1(r * whole) * clean
            return SchedulerOutput(self._at(begun, r, then.sigma, ahead, s_noise), clean)
        self.history = None
        begun = self._noised(begun, (r, 1), seen.output, generator)
        first, second = begun.cleans
        weight = phi_1(whole) / (2 * r) if self.config.solver_type == "phi_1" else phi_2(whole) / r
        mean = phi_1(whole) * first + weight * (second - first)
        return SchedulerOutput(self._at(begun, 1, then.sigma, mean, s_noise), clean)

    def _shares(self) -> tuple[float, ...]:
        return (self.config.r,)
