"""DPM-Solver++(2M) for the reverse SDE, as k-diffusion's `sample_dpmpp_2m_sde`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from torch import Tensor

from kakusan.schedulers.brownian import BrownianNoise
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMPP2MSDEConfig(SpacedConfig):
    """Settings of `DPMPP2MSDEScheduler`.

    Attributes:
        eta: how much noise is added on the way; 0 adds none, which is not DPM++ 2M.
    """

    class_name = "DPMPP2MSDEScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "solver_type": ("midpoint", "heun"),
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "eta": (0, 100),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "solver_type": {"logrho": "midpoint", "bh1": "midpoint", "bh2": "midpoint"},
    }

    solver_type: str = "midpoint"
    eta: float = 1.0


class _History(NamedTuple):
    """The run's noise, and the last step: its clean sample, and its length in log sigma."""

    noise: BrownianNoise | None = None
    clean: Tensor | None = None
    h: Tensor | None = None


class DPMPP2MSDEScheduler(UnscaledSigmaScheduler[DPMPP2MSDEConfig]):
    """DPM++ 2M SDE, with the noise of one Brownian path for each picture."""

    config_class = DPMPP2MSDEConfig
    takes_timesteps = True
    takes_sigmas = True
    history = _History()

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
        """One step along the clean sample and how it changed, with noise; into 0 without."""
        c, clean, past = self.config, seen.clean, self.history
        noise = past.noise or BrownianNoise.of(self.sigmas, x, generator, None)
        h = now.sigma.log() - then.sigma.log()
        self.history = _History(noise, clean, h)
        if then.sigma == 0:
            return SchedulerOutput(clean, clean)
        eta_h = c.eta * h
        e = -(-h - eta_h).expm1()
        x = then.sigma / now.sigma * (-eta_h).exp() * x + e * clean
        if past.clean is not None and past.h is not None:
            weight = 0.5 * e if c.solver_type == "midpoint" else e / (-h - eta_h) + 1
            x = x + weight * (h / past.h) * (clean - past.clean)
        if c.eta > 0:
            x = x + noise.of_step(now.sigma, then.sigma, x, c.eta) * s_noise
        return SchedulerOutput(x, clean)
