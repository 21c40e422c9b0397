"""Heun++ of second order in steps of sigma, as ComfyUI's `sample_heunpp2`."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.staged_scheduler import StagedScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class HeunPP2Config(SpacedConfig):
    """Settings of `HeunPP2Scheduler`."""

    class_name = "HeunPP2Scheduler"

    beta_start: float = 0.00085
    beta_end: float = 0.012


class _Slope(NamedTuple):
    """dx / dsigma where a call was made."""

    sample: Tensor
    sigma: Tensor
    slope: Tensor


class _History(NamedTuple):
    """The noise level that the run began at, and the calls so far of a step."""

    highest: Tensor | None = None
    calls: tuple[_Slope, ...] = ()


class HeunPP2Scheduler(StagedScheduler[HeunPP2Config]):
    """Three calls a step, but two in the last but one, and one in the last."""

    config_class = HeunPP2Config
    order = 3
    history = _History()

    def advance(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> SchedulerOutput:
        """Euler steps ahead, then the step along a mean of the slopes on the way.

        A slope ahead weighs less the less noise there is.
        """
        clean, past = seen.clean, self.history
        highest = now.sigma if past.highest is None else past.highest
        calls = (*past.calls, _Slope(x, now.sigma, (x - clean) / now.sigma))
        if len(calls) < self._calls_of_step():
            self.history = _History(highest, calls)
            return SchedulerOutput(x + calls[-1].slope * (then.sigma - now.sigma), clean)
        self.history = _History(highest)
        first, *ahead = calls
        weights = [each.sigma / (len(calls) * highest) for each in ahead]
        mean = first.slope
        for weight, each in zip(weights, ahead, strict=True):
            mean = mean + weight * (each.slope - first.slope)
        end = ahead[0].sigma if ahead else then.sigma
        return SchedulerOutput(first.sample + mean * (end - first.sigma), clean)

    def _calls(self, levels: list[float]) -> list[list[float]]:
        steps = len(levels) - 1
        return [levels[place : min(place + self.order, steps)] for place in range(steps)]
