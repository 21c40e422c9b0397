"""DPM-Solver of third order in single steps, as k-diffusion's `sample_dpm_fast`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.ladder_config import LadderConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import Floats
from kakusan.schedulers.staged_scheduler import StagedScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class DPMFastConfig(LadderConfig):
    """Settings of `DPMFastScheduler`.

    Attributes:
        sigma_schedule: of its levels the first and the last above 0 count; None takes the most and
            the least noise of the training schedule.
        eta: the share of the noise that is added back after a step; 0 adds none.
    """

    class_name = "DPMFastScheduler"
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "eta": (0, 1),
    }

    beta_start: float = 0.00085
    beta_end: float = 0.012
    eta: float = 0.0


class _Begun(NamedTuple):
    """Where a step began, and the slopes of its calls."""

    sample: Tensor
    sigma: float
    slopes: tuple[Tensor, ...]


class DPMFastScheduler(StagedScheduler[DPMFastConfig]):
    """DPM fast: in n calls of the model, steps of third order that are even in log sigma.

    The last one or two steps are of lower order. It ends at the least noise, not at none.
    """

    config_class = DPMFastConfig
    history: _Begun | None = None
    _planned_levels: tuple[list[float], list[float]]  # and the timesteps of all but the last
    _targets: tuple[float, ...]  # the noise level that each step leads to, before noise is added

    @property
    def init_noise_sigma(self) -> float:
        """The most noise, as k-diffusion's."""
        return float(self.sigmas.max())

    def start_of(self, step: int) -> int:
        """The beginning of the step that this call is in: users count calls as steps."""
        if step >= len(self.schedule):
            return len(self.schedule)
        return max(each for each in self.starts if each <= step)

    @property
    def level_timesteps(self) -> list[float]:
        return self._planned_levels[1]

    def plan_part(self, first: int, end: int) -> None:
        """As k-diffusion's callers do: the part's steps are even between its own two ends."""
        levels, timesteps = self._planned_levels
        device, part = self.timesteps.device, levels[first : end + 1]
        self._set_levels(np.array(part[:-1]), np.array(timesteps[first:end]), last=part[-1])
        self._keep_timesteps(device)

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
        """Go on to the step's next call, or with those that there were to its end.

        arXiv:2206.00927, Algorithms 4 and 5, and 1 for a single call.
        """
        clean, past = seen.clean, self.history or _Begun(x, float(now.sigma), ())
        slopes = (*past.slopes, (x - clean) / now.sigma)
        calls, made, target = self._calls_of_step(), len(slopes), self._targets[self._step()]
        if made < calls:
            self.history = past._replace(slopes=slopes)
            to = past.sigma * (target / past.sigma) ** (made / calls)
            return SchedulerOutput(_moved(past.sample, slopes, calls, past.sigma, to), clean)
        self.history = None
        x = _moved(past.sample, slopes, calls, past.sigma, target)
        added = float(then.sigma) ** 2 - target**2
        if self.config.eta > 0 and added > 0:
            x = x + noise_like(seen.output, generator) * s_noise * added**0.5
        return SchedulerOutput(x, clean)

    def _plan_spaced(self, steps: int) -> None:
        known = self._known_sigmas().astype(np.float64)
        sigmas = np.geomspace(known[-1], known[0], steps + 1)
        self._set_levels(sigmas[:-1], self._timesteps_of(sigmas[:-1]), last=known[0])

    def _set_levels(self, sigmas: Floats, timesteps: Floats, last: float) -> None:
        self._planned_levels = ([*sigmas.tolist(), last], timesteps.tolist())
        super()._set_levels(sigmas, timesteps, last)

    def _calls(self, levels: list[float]) -> list[list[float]]:
        steps = pairwise(_even(levels[0], self._end(levels), (len(levels) - 1) // 3 + 1))
        targets: list[float] = []
        calls: list[list[float]] = []
        for order, (start, end) in zip(_orders(len(levels) - 1), steps, strict=True):
            target = max(_down(start, end, self.config.eta), self._end(levels))
            targets.append(target)
            calls.append([start, *_even(start, target, order)[1:-1]])
        self._targets = tuple(targets)
        return calls

    def _end(self, levels: list[float]) -> float:
        """The least noise above 0; of a last level alone, which is that, the training's."""
        if len(levels) > 2 or levels[-1]:
            return levels[-1] or levels[-2]
        return min(levels[0], float(self._known_sigmas()[0]))


def _orders(calls: int) -> list[int]:
    """The orders of steps that take so many calls."""
    left = calls % 3
    return [3] * (calls // 3) + [left] if left else [3] * (calls // 3 - 1) + [2, 1]


def _even(start: float, end: float, count: int) -> list[float]:
    """The noise levels of so many steps that are even in log sigma, both ends exactly these."""
    return [start, *np.geomspace(start, end, count + 1)[1:-1].tolist(), end]


def _down(start: float, end: float, eta: float) -> float:
    """How far a step goes whose noise is then added back."""
    up = min(end, eta * (end**2 * (start**2 - end**2) / start**2) ** 0.5)
    return (end**2 - up**2) ** 0.5


def _moved(x: Tensor, slopes: tuple[Tensor, ...], calls: int, start: float, end: float) -> Tensor:
    """The sample at `end` of a step of so many calls, of which there were `slopes`."""
    first, latest = slopes[0], slopes[-1]
    if calls < 3 or len(slopes) == 1:  # the midpoint's slope, or the only one
        return x + (end - start) * latest
    h = math.log(start / end)
    bent = start - end - h * end  # sigma * (expm1(h) - h), over h below
    ratio = 2.0 if len(slopes) == 2 else 1.5
    return x + (end - start) * first - ratio * bent / h * (latest - first)
