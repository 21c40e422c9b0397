"""PNDM: pseudo numerical methods for diffusion models (arXiv:2202.09778)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.alpha_scheduler import AlphaScheduler
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.run import Timestep
from kakusan.schedulers.scheduler import SchedulerOutput

RUNGE_KUTTA_STEPS = 3
RUNGE_KUTTA_CALLS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class PNDMConfig(SchedulerConfig):
    """Settings of `PNDMScheduler`."""

    class_name = "PNDMScheduler"

    skip_prk_steps: bool = False
    set_alpha_to_one: bool = False


@dataclass(frozen=True)
class _History:
    """What the model calls of a run so far left for the next ones."""

    calls: int = 0
    noises: tuple[Tensor, ...] = ()  # predicted at the last four noise levels, latest last
    start: Tensor | None = None  # the sample that the current level began with
    weighted: Tensor | float = 0.0  # the Runge-Kutta sum so far


class PNDMScheduler(AlphaScheduler[PNDMConfig]):
    """Linear multistep sampling (PLMS), the first steps by Runge-Kutta unless `skip_prk_steps`.

    With `skip_prk_steps`, as Stable Diffusion uses it, the first level is done twice (an improved
    Euler step), so a run makes one model call more than it has steps. A run too short for the
    Runge-Kutta start (under four steps) begins that way too.
    """

    config_class = PNDMConfig
    history = _History()

    def advance(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> SchedulerOutput:
        if self.history.calls < self._runge_kutta_calls:
            return SchedulerOutput(self._runge_kutta(x, seen, now), seen.clean)
        return SchedulerOutput(self._multistep(x, seen, now, then), seen.clean)

    def _runge_kutta(self, x: Tensor, seen: Prediction, now: Level) -> Tensor:
        """Equation 13: four calls a level, weighed 1/6, 1/3, 1/3, 1/6, all from its start."""
        past, output = self.history, seen.output
        stage = past.calls % RUNGE_KUTTA_CALLS
        level = self._level_at(self.schedule[past.calls - stage])
        half = 0 if stage % 2 else self._stride() // 2
        start = x if stage == 0 or past.start is None else past.start
        noises = (*past.noises, output) if stage == 0 else past.noises
        weighted = past.weighted + (1 / 6 if stage in (0, 3) else 1 / 3) * output
        if stage == 3:
            output, weighted = torch.as_tensor(weighted), 0.0
        self.history = _History(past.calls + 1, noises, start, weighted)
        then = self._level_at(now.timestep - half)
        return _transfer(seen._replace(output=output).at(start, level), then)

    def _multistep(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> Tensor:
        """Equation 12: Adams-Bashforth over the noise predicted at up to four levels."""
        past = self.history
        if past.calls == 1:
            # The second call is made at the second level and redoes the first step with the mean of
            # both.
            start = x if past.start is None else past.start
            mean = (seen.output + past.noises[-1]) / 2
            self.history = _History(2, past.noises)
            before = self._level_at(now.timestep + self._stride())
            return _transfer(seen._replace(output=mean).at(start, before), now)
        noises = (*past.noises[-3:], seen.output)
        self.history = _History(past.calls + 1, noises, x if past.calls == 0 else None)
        return _transfer(seen._replace(output=_adams_bashforth(noises)), then)

    def _levels_of_step(self, timestep: Timestep) -> tuple[Level, Level]:
        self._steps_of_run()
        index = self._go_to(timestep)
        if index > self.history.calls < self._runge_kutta_calls:
            raise RequestError(
                "Runge-Kutta's first steps begin at the first of timesteps; to begin midway make "
                "the scheduler with skip_prk_steps=True"
            )
        here = self.schedule[index]
        return self._level_at(here), self._level_at(here - self._stride())

    def _plan(self, steps: int) -> None:
        levels = self._spaced(steps)
        self.num_inference_steps = steps
        if self.config.skip_prk_steps or steps <= RUNGE_KUTTA_STEPS:
            self._runge_kutta_calls = 0
            timesteps = [*levels[:1], *levels[1:2], *levels[1:]]
        else:
            self._runge_kutta_calls = RUNGE_KUTTA_STEPS * RUNGE_KUTTA_CALLS
            timesteps = levels[RUNGE_KUTTA_STEPS:]
            for first, second in zip(levels[2::-1], levels[3:0:-1], strict=True):
                middle = second + self._stride() // 2
                timesteps = [first, middle, middle, second, *timesteps]
        self.timesteps = torch.tensor(timesteps, device="cpu")

    def _prepare(self) -> None:
        super()._prepare()
        self._runge_kutta_calls = 0


def _transfer(seen: Prediction, then: Level) -> Tensor:
    """Equation 11: move the sample to another level along the noise that is seen in it."""
    a, b = seen.level.alpha_cumprod, then.alpha_cumprod
    scale = a * (1 - b) ** 0.5 + (a * (1 - a) * b) ** 0.5
    return (b / a) ** 0.5 * seen.sample - (b - a) * seen.noise / scale


def _adams_bashforth(noises: tuple[Tensor, ...]) -> Tensor:
    if len(noises) == 1:
        return noises[-1]
    if len(noises) == 2:
        return (3 * noises[-1] - noises[-2]) / 2
    if len(noises) == 3:
        return (23 * noises[-1] - 16 * noises[-2] + 5 * noises[-3]) / 12
    return (55 * noises[-1] - 59 * noises[-2] + 37 * noises[-3] - 9 * noises[-4]) / 24
