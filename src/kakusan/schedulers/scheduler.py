"""What all schedulers have in common: settings, the noise schedule, a run, and files."""

import copy
import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, Self, cast

import torch
from torch import Tensor

from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, RequestError
from kakusan.schedulers import schedule
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.prediction import spread

CONFIG_FILE = "scheduler_config.json"
if TYPE_CHECKING:
    from typing_extensions import TypeVar

    # A bare `Scheduler` in an annotation is one of any settings.
    ConfigT = TypeVar("ConfigT", bound=SchedulerConfig, default=Any)
else:
    from typing import TypeVar

    ConfigT = TypeVar("ConfigT", bound=SchedulerConfig)

Timestep = Tensor | float


class SchedulerOutput(NamedTuple):
    """One step's result: the less noisy sample, and the clean one that the model sees in it."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class Scheduler(ABC, Generic[ConfigT]):
    """Turns what a model predicts at one noise level into the sample at the next lower one.

    A scheduler is its `config` and, since `set_timesteps`, one run: the timesteps and how far it
    has come. What belongs to the run is replaced, never changed in place, so `fresh()` gives each
    thread a run of its own.

    Attributes:
        order: model calls per noise level.
        step_options: the keywords that `step` takes beyond the common ones.
    """

    config_class: type[ConfigT]
    order: ClassVar[int] = 1
    step_options: ClassVar[frozenset[str]] = frozenset()

    config: ConfigT
    betas: Tensor
    alphas_cumprod: Tensor
    timesteps: Tensor
    num_inference_steps: int | None
    # `timesteps` for decisions: reading a tensor on a GPU waits for all that is queued there
    _schedule: list[float]

    def __init__(self, config: ConfigT | None = None, /, **settings: object) -> None:
        """Make a scheduler of a whole `config`, or of settings by name, the others default.

        Raises:
            RequestError: both of them given, or a value that is not allowed.
            UnknownArgumentError: no setting has this name.
        """
        if config is not None and settings:
            raise RequestError(
                f"{type(self).__name__} takes a config or settings, not both; got "
                f"{', '.join(settings)} too; use {type(self).__name__}.from_config(config, ...)"
            )
        self.config = self.config_class.from_settings(settings) if config is None else config
        self.betas = self._make_betas()
        self.alphas_cumprod = torch.cumprod(1.0 - self.betas, dim=0)
        self.num_inference_steps = None
        self._prepare()
        self._schedule = cast("list[float]", self.timesteps.tolist())
        self._begin_run()

    def __len__(self) -> int:
        return self.config.num_train_timesteps

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.config!r})"

    @classmethod
    def from_config(cls, config: Mapping[str, object], **overrides: object) -> Self:
        """A scheduler with the settings of another one's config, or of a file's JSON.

        Values that were only the other class's defaults are not carried; values written in the JSON
        are. Settings of other schedulers are kept for the way back.
        """
        return cls(cls.config_class.from_published(config, overrides))

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str],
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        **overrides: object,
    ) -> Self:
        """Read `scheduler_config.json` of a folder or Hub model; overrides win over the file.

        Raises:
            CheckpointError: the file is missing, broken, or has values that are not supported.
        """
        source = locate(
            name,
            subfolder=subfolder,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        path = source.folder / CONFIG_FILE
        try:
            return cls(cls.config_class.from_published(read_json(path), overrides))
        except RequestError as error:
            if overrides:
                raise
            raise CheckpointError(f"{path}: {error}") from error

    def save_pretrained(self, folder: str | PathLike[str]) -> None:
        """Write `scheduler_config.json`, which the reference library reads too.

        Raises:
            RequestError: a setting is infinite, which JSON cannot say, and not so by default.
            OutputError: the folder cannot be written.
        """
        published = self.config.to_published()
        for name, value in published.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise RequestError(
                    f"{type(self).__name__}: {name}={value} cannot be saved, as JSON has no "
                    "infinity; set it to a large number"
                )
        write_json(Path(folder) / CONFIG_FILE, cast("dict[str, JSON]", published))

    def fresh(self) -> Self:
        """The same scheduler and timesteps, at the beginning of a run that nobody else has."""
        twin = copy.copy(self)
        twin._begin_run()
        return twin

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
        _check_one_given(num_inference_steps, timesteps, sigmas)
        if timesteps is not None:
            self._plan_timesteps(timesteps)
        elif sigmas is not None:
            self._plan_sigmas(sigmas)
        else:
            self._plan(self._checked_steps(num_inference_steps))
        self._schedule = cast("list[float]", self.timesteps.tolist())
        self.timesteps = self.timesteps.to(device)
        self._begin_run()

    @property
    @abstractmethod
    def init_noise_sigma(self) -> float:
        """How much normal noise is multiplied by to be the first latents."""

    @abstractmethod
    def scale_model_input(self, sample: Tensor, timestep: Timestep) -> Tensor:
        """The latents as the model wants to see them at this timestep."""

    @abstractmethod
    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        return_dict: bool = True,
    ) -> SchedulerOutput:
        """Go from `sample` at `timestep` to the next noise level.

        Args:
            model_output: what the model predicted, in the shape of `sample`.
            timestep: one of `timesteps`, in their order.
            sample: the latents before `scale_model_input`.
            return_dict: taken as users pass it; the result is a tuple and has names, always.

        Raises:
            RequestError: before `set_timesteps`, or after the last step.
        """

    @abstractmethod
    def denoised(self, model_output: Tensor, timestep: Timestep, sample: Tensor) -> Tensor:
        """The clean latents that the model sees in `sample`; changes nothing.

        `sample` is as `step` takes it, before `scale_model_input`.
        """

    @abstractmethod
    def sigma_at(self, timestep: Timestep) -> float:
        """The noise level at a timestep: how much noise there is to a clean sample of scale 1."""

    @abstractmethod
    def add_noise(self, original_samples: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Clean samples (n, ...) with the noise of one timestep each, (n,) or (1,)."""

    def get_velocity(self, sample: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What v prediction should say of clean samples (n, ...) at training timesteps (n,).

        Source: arXiv:2202.00512, appendix D.
        """
        alphas = self.alphas_cumprod.to(sample)[timesteps.to(sample.device, torch.int64)]
        return spread(alphas**0.5, sample) * noise - spread((1 - alphas) ** 0.5, sample) * sample

    @abstractmethod
    def _prepare(self) -> None:
        """Set `timesteps`, and what goes with them, to the whole training schedule."""

    @abstractmethod
    def _plan(self, steps: int) -> None:
        """Set `timesteps`, and what goes with them, for a run of so many steps."""

    def _plan_timesteps(self, timesteps: Sequence[float]) -> None:  # noqa: ARG002
        """Check these timesteps and set a run through them, in the schedulers that can."""
        raise RequestError(
            f"{type(self).__name__} takes no custom timesteps; give num_inference_steps"
        )

    def _plan_sigmas(self, sigmas: Sequence[float]) -> None:  # noqa: ARG002
        """Check these noise levels and set a run through them, in the schedulers that can."""
        raise RequestError(
            f"{type(self).__name__} takes no custom sigmas; give num_inference_steps"
        )

    @abstractmethod
    def _begin_run(self) -> None:
        """Forget what earlier steps left behind."""

    def _make_betas(self) -> Tensor:
        c = self.config
        betas = schedule.make_betas(
            c.beta_schedule, c.beta_start, c.beta_end, c.num_train_timesteps, c.trained_betas
        )
        return (
            schedule.zero_terminal_snr(betas) if c.get("rescale_betas_zero_snr") is True else betas
        )

    def _checked_steps(self, steps: object) -> int:
        most = self.config.num_train_timesteps
        try:
            number = operator.index(steps)  # pyright: ignore[reportArgumentType]
        except TypeError:
            number = 0
        if isinstance(steps, bool) or not 1 <= number <= most:
            raise RequestError(f"num_inference_steps is {steps!r}; allowed: 1 to {most}")
        return number

    def _checked_timesteps(self, timesteps: Sequence[float]) -> list[float]:
        for key in ("use_karras_sigmas", "use_exponential_sigmas"):
            if self.config.get(key) is True:
                raise RequestError(f"custom timesteps contradict {key}=True; set that to False")
        values = [float(each) for each in timesteps]
        last = self.config.num_train_timesteps - 1
        pairs = pairwise(values)
        if (
            not values
            or not all(0 <= each <= last for each in values)
            or any(a <= b for a, b in pairs)
        ):
            raise RequestError(
                f"timesteps must fall strictly, within {last} to 0; got {values[:8]}"
            )
        return values

    def _check_in_schedule(self, highest: float, steps: int) -> None:
        if highest >= self.config.num_train_timesteps:
            raise RequestError(
                f"num_inference_steps={steps} with steps_offset={self.config.steps_offset} starts "
                f"past the last of {self.config.num_train_timesteps} training steps; take fewer"
            )


def _check_one_given(steps: object, timesteps: object, sigmas: object) -> None:
    given = {"num_inference_steps": steps, "timesteps": timesteps, "sigmas": sigmas}
    named = [name for name, value in given.items() if value is not None]
    if len(named) != 1:
        raise RequestError(
            f"set_timesteps takes exactly one of num_inference_steps, timesteps, sigmas; got "
            f"{' and '.join(named) or 'none'}"
        )
