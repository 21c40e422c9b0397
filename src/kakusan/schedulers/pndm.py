"""PNDM: pseudo numerical methods for diffusion models (arXiv:2202.09778)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.alpha_scheduler import AlphaScheduler
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.prediction import predicted_noise
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep

RUNGE_KUTTA_STEPS = 3
RUNGE_KUTTA_CALLS = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class PNDMConfig(SchedulerConfig):
    """Settings of `PNDMScheduler`."""

    class_name = "PNDMScheduler"

    skip_prk_steps: bool = False
    set_alpha_to_one: bool = False


@dataclass(frozen=True)
class _Run:
    """How far a run has come: model calls, and what they left for the next ones."""

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

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        self._steps_of_run()
        if self._run.calls >= len(self.timesteps):
            raise RequestError("the run is over; call set_timesteps to begin another")
        clean = self.denoised(model_output, timestep, sample)
        if self._run.calls < self._runge_kutta_calls:
            x = self._runge_kutta(model_output, int(timestep), sample)
        else:
            x = self._multistep(model_output, int(timestep), sample)
        return SchedulerOutput(x, clean)

    def _runge_kutta(self, output: Tensor, timestep: int, sample: Tensor) -> Tensor:
        """Equation 13: four calls a level, weighed 1/6, 1/3, 1/3, 1/6, all from its start."""
        run = self._run
        half = 0 if run.calls % 2 else self._stride() // 2
        stage = run.calls % RUNGE_KUTTA_CALLS
        level = int(self._schedule[run.calls - stage])
        start = sample if stage == 0 or run.start is None else run.start
        noises = (*run.noises, output) if stage == 0 else run.noises
        weighted = run.weighted + (1 / 6 if stage in (0, 3) else 1 / 3) * output
        if stage == 3:
            output, weighted = torch.as_tensor(weighted), 0.0
        self._run = _Run(run.calls + 1, noises, start, weighted)
        return self._transfer(start, level, timestep - half, output)

    def _multistep(self, output: Tensor, timestep: int, sample: Tensor) -> Tensor:
        """Equation 12: Adams-Bashforth over the noise predicted at up to four levels."""
        run = self._run
        if run.calls == 1:
            # The second call is made at the second level and redoes the first step with the mean of
            # both.
            start = sample if run.start is None else run.start
            mean = (output + run.noises[-1]) / 2
            self._run = _Run(2, run.noises)
            return self._transfer(start, timestep + self._stride(), timestep, mean)
        noises = (*run.noises[-3:], output)
        self._run = _Run(run.calls + 1, noises, sample if run.calls == 0 else None)
        return self._transfer(sample, timestep, timestep - self._stride(), _adams_bashforth(noises))

    def _transfer(self, sample: Tensor, timestep: int, previous: int, output: Tensor) -> Tensor:
        """Equation 11: move `sample` from one timestep to another along this noise."""
        now = self.alphas_cumprod[timestep]
        then = self._alpha_cumprod_at(previous)
        alpha, sigma = now**0.5, (1 - now) ** 0.5
        noise = predicted_noise(self.config.prediction_type, output, sample, alpha, sigma)
        scale = now * (1 - then) ** 0.5 + (now * (1 - now) * then) ** 0.5
        return (then / now) ** 0.5 * sample - (then - now) * noise / scale

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
        self.timesteps = torch.tensor(timesteps)

    def _prepare(self) -> None:
        super()._prepare()
        self._runge_kutta_calls = 0

    def _begin_run(self) -> None:
        self._run = _Run()


def _adams_bashforth(noises: tuple[Tensor, ...]) -> Tensor:
    if len(noises) == 1:
        return noises[-1]
    if len(noises) == 2:
        return (3 * noises[-1] - noises[-2]) / 2
    if len(noises) == 3:
        return (23 * noises[-1] - 16 * noises[-2] + 5 * noises[-3]) / 12
    return (55 * noises[-1] - 59 * noises[-2] + 37 * noises[-3] - 9 * noises[-4]) / 24
