"""The settings of schedulers that walk down noise levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.edm import Edm
from kakusan.schedulers.edm_settings import EDMS, check_edm
from kakusan.schedulers.spacings import SIGMA_SPACINGS, setting_of


@dataclass(frozen=True, kw_only=True, eq=False)
class LadderConfig(SchedulerConfig):
    """Settings of the schedulers that walk down noise levels.

    Attributes:
        sigma_schedule: which of `LADDERS`, those of AUTOMATIC1111 and ComfyUI, a run walks down;
            None has the reference's levels.
        discard_penultimate_sigma: of such a ladder, make one level more, and leave out the last
            but one.
        edm_sigmas: the least and the most noise and the deviation of clean samples of a model on
            EDM's noise levels; such a run is always on a ladder, Karras's where none is named.
    """

    timestep_spacing: str = "linspace"
    sigma_schedule: str | None = None
    discard_penultimate_sigma: bool = False
    edm_sigmas: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if "edm_sigmas" in self.names() and self.edm_sigmas is not None:
            check_edm(self.class_name, self.edm_sigmas, self.prediction_type)
        super().__post_init__()

    @property
    def edm(self) -> Edm | None:
        found = cast("Sequence[float] | None", self._own("edm_sigmas"))
        return None if found is None else Edm(*found)

    @property
    def ladder(self) -> str | None:
        ladder = super().ladder
        if ladder is None and self.edm is not None:
            return self.sigma_spacing or "karras"
        return ladder

    @classmethod
    def _on_edms_levels(
        cls, written: Mapping[str, object], overrides: Mapping[str, object]
    ) -> dict[str, object]:
        found = {"edm_sigmas": [written.get(*each) for each in EDMS.items()], **written}
        if any(overrides.get(setting_of(each)) is True for each in SIGMA_SPACINGS):
            found.pop("sigma_schedule", None)  # which EDM's schedulers always have
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class SpacedConfig(LadderConfig):
    """Settings of those of them whose noise levels the reference spaces in several ways too."""

    use_karras_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_beta_sigmas: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class AncestralConfig(SpacedConfig):
    """Settings of those of them whose steps can add noise back.

    Attributes:
        eta: the share of the noise that is added back; 0 adds none.
    """

    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "eta": (0, 1),
    }

    beta_start: float = 0.00085
    beta_end: float = 0.012
    eta: float = 0.0
