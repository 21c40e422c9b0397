"""What all schedulers have in common: the noise schedule and a run.

A scheduler is its formula. `Scheduler` reads what the model says, keeps the place in the run and
asks the class for one thing: how to `advance` from one noise level to the next.
"""

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from kakusan.errors import ArgumentError, RequestError, check_no_unknown
from kakusan.results import named
from kakusan.schedulers import checks, schedule
from kakusan.schedulers.configured import ConfigT, Configured
from kakusan.schedulers.edm import MODELS
from kakusan.schedulers.levels import Level
from kakusan.schedulers.prediction import Prediction, spread
from kakusan.schedulers.run import Run, Timestep


@named
class SchedulerOutput(NamedTuple):
    """One step's result: the less noisy sample, and the clean one that the model sees in it."""

    prev_sample: Tensor
    pred_original_sample: Tensor

    @property
    def denoised(self) -> Tensor:
        """The clean sample, as scripts for LCM call it."""
        return self.pred_original_sample


class Scheduler(Run, Configured[ConfigT], ABC):
    """Turns what a model predicts at one noise level into the sample at the next lower one.

    A scheduler is its `config` and one run.

    Attributes:
        adds_noise: whether steps draw noise, without being asked by an option.
        usual_eta: how much noise steps add where `eta` is left open, and they take it.
        takes_timesteps, takes_sigmas: whether a run may be given by them.
        guidance_share: of what users ask for, how much guidance is meant.
        step_options: the keywords that `step` takes beyond the common ones: those of `advance`.
        parts_guidance: whether steps look at the prediction for the negative prompt, too: CFG++.
    """

    adds_noise: ClassVar[bool] = False
    usual_eta: ClassVar[float] = 0.0
    takes_timesteps: ClassVar[bool] = False
    takes_sigmas: ClassVar[bool] = False
    guidance_share: ClassVar[float] = 1.0
    step_options: ClassVar[frozenset[str]] = frozenset()
    parts_guidance: ClassVar[bool] = False

    betas: Tensor
    alphas_cumprod: Tensor

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        taken = inspect.signature(cls.advance).parameters.values()
        options = [each for each in taken if each.kind is each.KEYWORD_ONLY]
        cls.step_options = frozenset(each.name for each in options)
        cls.parts_guidance = "unconditional" in cls.step_options
        if "step" not in vars(cls):
            cls.step = _step_taking(options)

    def _set_up(self) -> None:
        self.betas = self._make_betas()
        self.alphas_cumprod = torch.cumprod(1.0 - self.betas, dim=0)
        if self.config.downcasts_alphas:
            self.alphas_cumprod = self.alphas_cumprod.half().float()
        self.num_inference_steps = None
        self._prepare()
        self._keep_timesteps(None)

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    @property
    def compatibles(self) -> list[type["Scheduler[Any]"]]:
        """The schedulers that this one's config makes too, with `from_config`: all there are."""
        return sorted(_published(Scheduler), key=lambda kind: kind.__name__)

    @property
    def num_train_timesteps(self) -> int:
        """Timesteps of the training schedule."""
        return self.config.num_train_timesteps

    @property
    def alphas(self) -> Tensor:
        """1 - `betas`."""
        return 1.0 - self.betas

    @property
    def is_deterministic(self) -> bool:
        """Whether a run follows one path from noise to picture, unless an option adds noise.

        That path is the probability flow (arXiv:2011.13456, equation 13): a better solver, or more
        steps, lead to nearly the same picture.
        """
        return not self.adds_noise and not self.config.adds_noise

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: torch.device | str | None = None,
        *,
        timesteps: Sequence[float] | None = None,
        sigmas: Sequence[float] | None = None,
    ) -> None:
        """Begin a run of so many steps, or through given timesteps or noise levels (ending in 0).

        Raises:
            RequestError: no or several of them given, steps out of range, or not supported by this
                scheduler.
        """
        checks.check_one_given(num_inference_steps, timesteps, sigmas)
        if timesteps is not None:
            self._check_takes(self.takes_timesteps, "timesteps")
            self._plan_timesteps(checks.checked_timesteps(timesteps, self.config))
        elif sigmas is not None:
            self._check_takes(self.takes_sigmas, "sigmas")
            self._plan_sigmas(checks.checked_sigmas(sigmas))
        else:
            self._plan(checks.checked_steps(num_inference_steps, self.config))
        self._keep_timesteps(device)
        self._check_plan()

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        return_dict: bool = True,  # noqa: ARG002
        **options: Any,
    ) -> SchedulerOutput:
        """Go from `sample` at `timestep` to the next noise level.

        Args:
            model_output: what the model predicted, in the shape of `sample`.
            timestep: one of `timesteps`; in their order, where earlier steps count for this one or
                noise levels are counted. The last step may be taken once more, as if it had not
                been taken.
            sample: the latents before `scale_model_input`.
            return_dict: taken as users pass it; the result is a tuple and has names, always.
            options: those of `step_options`, which `advance` describes.

        Raises:
            RequestError: before `set_timesteps` (in schedulers without a run of the whole training
                schedule), after the last step, or at a timestep that is not the run's or not next.
            UnknownArgumentError: an option that this scheduler lacks.
        """
        unknown = options.keys() - self.step_options
        where = f"{type(self).__name__}.step"
        check_no_unknown(where, sorted(unknown), {*self.step_options, "return_dict"})
        now, then = self._levels_of_step(timestep)
        seen = self._seen(model_output, sample, now)
        before = self.history
        result = self.advance(sample, seen, now, then, **options)
        self._moved_on(before)
        return result

    @abstractmethod
    def advance(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> SchedulerOutput:
        """The formula: from `x` at one noise level to the next.

        A keyword with a default is an option of `step`. What the next steps need to know goes into
        `self.history`.

        Args:
            seen: what the model says of `x`, as a `clean` sample or as `noise`.
        """

    @property
    def init_noise_sigma(self) -> float:
        """How much normal noise is multiplied by to be the first latents."""
        return 1.0

    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:  # noqa: ARG002
        """The latents as the model wants to see them at this timestep."""
        return sample

    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        """The clean latents that the model sees in `sample`; changes nothing.

        `sample` is as `step` takes it, before `scale_model_input`.
        """
        level = self._level_at(timestep)
        return self._seen(model_output, sample, level).clean

    def _seen(self, model_output: Tensor, sample: Tensor, level: Level) -> Prediction:
        c = self.config
        data = None if c.edm is None else c.edm.sigma_data
        return Prediction(c.prediction_type, model_output, sample, level, data)

    @abstractmethod
    def sigma_at(self, timestep: Timestep) -> float:
        """The noise level at a timestep: how much noise there is to a clean sample of scale 1."""

    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Clean samples (n, ...) with the noise of one timestep each, (n,) or (1,)."""
        level = self._levels_of(timesteps, original_samples)
        return level.alpha * original_samples + level.sigma * noise

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What v prediction should say of clean samples (n, ...) at training timesteps (n,).

        Raises:
            RequestError: there are none of a model on EDM's noise levels.

        Source: arXiv:2202.00512, appendix D.
        """
        self._check_trained_on_timesteps()
        alphas = self.alphas_cumprod.to(sample)[timesteps.to(sample.device, torch.int64)]
        return spread(alphas**0.5, sample) * noise - spread((1 - alphas) ** 0.5, sample) * sample

    def training_target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the model is to predict of clean `latents` (n, ...) under `noise`.

        At training timesteps (n,), by the config's `prediction_type`.
        """
        self._check_trained_on_timesteps()
        kind = self.config.prediction_type
        if kind == "v_prediction":
            return self.get_velocity(latents, noise, timesteps)
        return latents if kind == "sample" else noise

    @abstractmethod
    def _level_at(self, timestep: Timestep) -> Level:
        """The noise level at a timestep."""

    @abstractmethod
    def _levels_of(self, timesteps: Tensor, like: Tensor) -> Level:
        """The levels at timesteps (n,), shaped (n, 1, ...) to multiply `like`, in its dtype."""

    @abstractmethod
    def _levels_of_step(self, timestep: Timestep) -> tuple[Level, Level]:
        """Where the step from `timestep` begins and ends.

        A scheduler that keeps count goes to this step's place.

        Raises:
            RequestError: no run has begun, or it is over or elsewhere.
        """

    @abstractmethod
    def _prepare(self) -> None:
        """Set `timesteps`, and what goes with them, to the whole training schedule."""

    @abstractmethod
    def _plan(self, steps: int) -> None:
        """Set `timesteps`, and what goes with them, for a run of so many steps."""

    def _check_plan(self) -> None:
        """Raise `RequestError` where a run through the planned levels cannot be computed."""

    def _plan_timesteps(self, timesteps: list[float]) -> None:
        """Set a run through these timesteps; where `takes_timesteps`."""
        raise NotImplementedError

    def _plan_sigmas(self, sigmas: list[float]) -> None:
        """Set a run through these noise levels; where `takes_sigmas`."""
        raise NotImplementedError

    def _make_betas(self) -> Tensor:
        c = self.config
        betas = schedule.make_betas(
            c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps, c.trained_betas
        )
        return schedule.zero_terminal_snr(betas) if c.zero_terminal_snr else betas

    def _check_trained_on_timesteps(self) -> None:
        if self.config.edm is not None:
            raise RequestError(f"{MODELS} has no training timesteps; only drawing is there for it")

    def _check_takes(self, taken: bool, what: str) -> None:
        if not taken:
            raise ArgumentError(
                f"{type(self).__name__} takes no custom {{{what}}}; give {{num_inference_steps}}"
            )

    def _check_in_schedule(self, highest: float, steps: int) -> None:
        if highest >= self.config.num_train_timesteps:
            raise ArgumentError(
                "{num_inference_steps}={0} with steps_offset={1} starts past the last of {2} "
                "training steps; take fewer",
                steps,
                self.config.steps_offset,
                self.config.num_train_timesteps,
            )


def _published(base: type[Scheduler[Any]]) -> Iterator[type[Scheduler[Any]]]:
    """Every class below `base` that files name."""
    for kind in base.__subclasses__():
        config = vars(kind).get("config_class")
        if config is not None and config.class_name == kind.__name__:
            yield kind
        yield from _published(kind)


def _step_taking(options: Sequence[inspect.Parameter]) -> Callable[..., SchedulerOutput]:
    """`Scheduler.step` with these keywords in its signature.

    `help` shows them, and programs written for the reference look there for `eta` and `generator`.
    """

    @functools.wraps(Scheduler.step)
    def step(self: Scheduler, *arguments: Any, **keywords: Any) -> SchedulerOutput:
        return Scheduler.step(self, *arguments, **keywords)

    signature = inspect.signature(Scheduler.step)
    *common, _ = signature.parameters.values()
    step.__signature__ = signature.replace(parameters=[*common, *options])  # pyright: ignore
    return step
