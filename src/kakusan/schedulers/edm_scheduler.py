"""What EDM's own schedulers have in common: their settings, and the reference's noise levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar, cast

import torch
from torch import Tensor

from kakusan.schedulers import edm
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.edm_settings import EDMS, check_edm
from kakusan.schedulers.ladder_config import LadderConfig
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler
from kakusan.schedulers.spacings import SIGMA_SPACINGS, setting_of


@dataclass(frozen=True, kw_only=True, eq=False)
class EdmConfig(LadderConfig):
    """Settings of EDM's own schedulers.

    Attributes:
        sigma_min, sigma_max: the least and the most noise that the model was trained on.
        sigma_data: the deviation of clean samples.
        sigma_schedule: how a run's levels are spaced, "karras" or by equal ratios.
        rho: the exponent of Karras's spacing.
    """

    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "prediction_type": ("epsilon", "v_prediction"),
        "sigma_schedule": ("karras", "exponential"),
        "final_sigmas_type": ("zero", "sigma_min"),
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "sigma_data": (1e-10, 1e10),
        "rho": (0.01, 1000),
    }
    lacking: ClassVar[frozenset[str]] = frozenset(
        {
            *("beta_start", "beta_end", "beta_schedule", "trained_betas", "timestep_spacing"),
            *("steps_offset", "discard_penultimate_sigma", "edm_sigmas"),
            "downcast_alphas_cumprod",
        }
    )

    sigma_min: float = EDMS["sigma_min"]
    sigma_max: float = EDMS["sigma_max"]
    sigma_data: float = EDMS["sigma_data"]
    sigma_schedule: str = "karras"
    rho: float = 7.0
    final_sigmas_type: str = "zero"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_edm(self.class_name, tuple(self.edm), self.prediction_type)

    @property
    def edm(self) -> edm.Edm:
        return edm.Edm(self.sigma_min, self.sigma_max, self.sigma_data)

    @property
    def ladder(self) -> None:
        """None: a run's levels are the reference's."""
        return

    @classmethod
    def _on_edms_levels(
        cls,
        written: Mapping[str, object],
        overrides: Mapping[str, object],  # noqa: ARG003
    ) -> dict[str, object]:
        found = dict(written)
        sigmas = found.pop("edm_sigmas", None)
        if isinstance(sigmas, list | tuple):
            found |= dict(zip(EDMS, cast("Sequence[object]", sigmas), strict=False))
        if found.get("sigma_schedule") not in cls.choices["sigma_schedule"]:
            found.pop("sigma_schedule", None)  # a ladder of another scheduler's
        return found


EdmConfigT = TypeVar("EdmConfigT", bound=EdmConfig)
SPACINGS = frozenset(map(setting_of, SIGMA_SPACINGS))


class EdmScheduler(UnscaledSigmaScheduler[EdmConfigT]):
    """Walks down from the most noise that the model was trained on to the least, and to none.

    Attributes:
        computed_in: the dtype of the levels before they are float32, as in the reference.
    """

    timestep_dtype = torch.float32
    computed_in: ClassVar[torch.dtype] = torch.float64

    @property
    def init_noise_sigma(self) -> float:
        return (self.config.sigma_max**2 + 1) ** 0.5

    def _prepare(self) -> None:
        self._plan_levels(self.config.num_train_timesteps)

    def _plan(self, steps: int) -> None:
        self._plan_levels(steps)
        self.num_inference_steps = steps

    def _plan_levels(self, steps: int) -> None:
        c = self.config
        if c.sigma_schedule == "karras":
            levels = edm.karras(c.edm, steps, c.rho, self.computed_in)
        else:
            levels = edm.exponential(c.edm, steps)
        last = self._end(levels) if c.ends_at_sigma_min else 0.0
        self._set_levels(levels.numpy(), (0.25 * levels.log()).numpy(), last=last)

    def _end(self, levels: Tensor) -> float:
        """Where a run ends that does not end at 0: one step alone does not come so far down."""
        return float(levels[-1])

    def _impossible(self, now: Tensor, then: Tensor) -> Tensor:  # noqa: ARG002
        """Nowhere: a run to the least noise ends with a step of no length."""
        return torch.zeros_like(now, dtype=torch.bool)
