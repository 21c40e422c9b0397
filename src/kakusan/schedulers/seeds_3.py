"""SEEDS-3, as ComfyUI's `sample_seeds_3`."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.seeds import SEEDSConfig, SEEDSScheduler, phi_1, phi_2

THIRDS = (0.0, 1 / 3, 2 / 3, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class SEEDS3Config(SEEDSConfig):
    """Settings of `SEEDS3Scheduler`."""

    class_name = "SEEDS3Scheduler"


class SEEDS3Scheduler(SEEDSScheduler[SEEDS3Config]):
    """Three calls a step, with noise in each third of it."""

    config_class = SEEDS3Config
    order = 3

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
        """Go to the next call, or the whole step with what the first and the last saw."""
        clean = seen.clean
        begun = self._begun(x, now.sigma, clean)
        if begun.h.isinf():
            return SchedulerOutput(clean, clean)
        count = len(begun.cleans)
        share = THIRDS[count]
        begun = self._noised(begun, (THIRDS[count - 1], share), seen.output, generator)
        self.history = begun if count < self.order else None
        h = share * begun.h * (1 + self.config.eta)
        mean = phi_1(h) * begun.cleans[0]
        if count > 1:  # both are weighed by where the latest call is on this part of the way
            weight = phi_2(h) * share / THIRDS[count - 1]
            mean = mean + weight * (clean - begun.cleans[0])
        return SchedulerOutput(self._at(begun, share, then.sigma, mean, s_noise), clean)

    def _shares(self) -> tuple[float, ...]:
        return THIRDS[1:-1]
