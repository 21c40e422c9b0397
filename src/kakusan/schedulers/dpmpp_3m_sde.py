"""DPM-Solver++(3M) for the reverse SDE, as k-diffusion's `sample_dpmpp_3m_sde`."""

from collections.abc import Mapping
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
class DPMPP3MSDEConfig(SpacedConfig):
    """Settings of `DPMPP3MSDEScheduler`.

    Attributes:
        eta: how much noise is added on the way; 0 adds none.
    """

    class_name = "DPMPP3MSDEScheduler"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "eta": (0, 100),
    }

    eta: float = 1.0


class _Step(NamedTuple):
    """A step that was taken: its clean sample, and its length in log sigma."""

    clean: Tensor
    h: Tensor


class _History(NamedTuple):
    """The run's noise, and up to two steps, latest first."""

    noise: BrownianNoise | None = None
    steps: tuple[_Step, ...] = ()


class DPMPP3MSDEScheduler(UnscaledSigmaScheduler[DPMPP3MSDEConfig]):
    """DPM++ 3M SDE: third order, with the noise of one Brownian path for each picture."""

    config_class = DPMPP3MSDEConfig
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
        """One step of the highest order that the steps so far allow; into 0 without noise."""
        eta, clean, (noise, past) = self.config.eta, seen.clean, self.history
        noise = noise or BrownianNoise.of(self.sigmas, x, generator, None)
        h = now.sigma.log() - then.sigma.log()
        self.history = _History(noise, (_Step(clean, h), *past)[:2])
        if then.sigma == 0:
            return SchedulerOutput(clean, clean)
        whole = h * (eta + 1)
        x = (-whole).exp() * x - (-whole).expm1() * clean
        phi_2 = (-whole).expm1() / whole + 1
        first, second = _derivatives(clean, h, past)
        if first is not None:
            x = x + phi_2 * first
        if second is not None:
            x = x - (phi_2 / whole - 0.5) * second
        if eta > 0:
            x = x + noise.of_step(now.sigma, then.sigma, x, eta) * s_noise
        return SchedulerOutput(x, clean)


def _derivatives(
    clean: Tensor, h: Tensor, past: tuple[_Step, ...]
) -> tuple[Tensor | None, Tensor | None]:
    """How the clean sample changes, and how that changes, in units of `h`."""
    if not past:
        return None, None
    r0 = past[0].h / h
    latest = (clean - past[0].clean) / r0
    if len(past) == 1:
        return latest, None
    r1 = past[1].h / h
    earlier = (past[0].clean - past[1].clean) / r1
    second = (latest - earlier) / (r0 + r1)
    return latest + second * r0, second
