"""The settings of a scheduler, as `scheduler_config.json` writes them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, cast

from kakusan.errors import RequestError, check_no_unknown
from kakusan.schedulers.edm import MODELS, Edm
from kakusan.schedulers.edm_settings import is_edms
from kakusan.schedulers.ladders import LADDERS
from kakusan.schedulers.prediction import PREDICTION_TYPES
from kakusan.schedulers.schedule import BETA_SCHEDULES
from kakusan.schedulers.setting_checks import betas_of, check_setting, is_infinite
from kakusan.schedulers.spacings import SIGMA_SPACINGS, TIMESTEP_SPACINGS, setting_of

DEFAULTED = "_use_default_values"
# Which no other library has, but for EDM's schedulers, whose `sigma_schedule` is one of their own
_HALVED = "downcast_alphas_cumprod"
OWN = frozenset({"sigma_schedule", "discard_penultimate_sigma", "edm_sigmas", _HALVED})
# The settings that say how noise levels are spaced, but for `timestep_spacing`
SPACING = OWN - {"edm_sigmas", _HALVED} | {setting_of(spacing) for spacing in SIGMA_SPACINGS}
_BOOKKEEPING = ("others", "defaulted")


@dataclass(frozen=True, kw_only=True, eq=False)
class SchedulerConfig(Mapping[str, object]):
    """The settings that every scheduler has; read as attributes or as a mapping.

    As a mapping it also holds what was written for other schedulers (`others`), so that going from
    one scheduler to another and back loses nothing, and under `_use_default_values` the names of
    the settings that nobody set: those stay behind when another scheduler is made from this one.

    What a setting means is a property here (`sigma_spacing`, `zero_terminal_snr`), also for the
    schedulers that lack it, so that nothing else reads settings by their name. What is kept for
    other schedulers does not act.
    """

    class_name: ClassVar[str] = ""
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        "beta_schedule": tuple(BETA_SCHEDULES),
        "prediction_type": PREDICTION_TYPES,
        "timestep_spacing": tuple(TIMESTEP_SPACINGS),
        "sigma_schedule": (None, *LADDERS),
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "num_train_timesteps": (1, 100_000),
        "beta_start": (1e-10, 0.9999),
        "beta_end": (1e-10, 0.9999),
        "steps_offset": (0, 100_000),
        "solver_order": (1, 3),
        "dynamic_thresholding_ratio": (0, 1),
        "clip_sample_range": (0, math.inf),
        "sample_max_value": (0, math.inf),
        "sigma_min": (1e-10, 1e10),
        "sigma_max": (1e-10, 1e10),
        "lambda_min_clipped": (-math.inf, math.inf),
        "flow_shift": (0, math.inf),
    }
    # Those of these settings that a scheduler lacks, and so does not read; as attributes they are
    # what is kept for others.
    lacking: ClassVar[frozenset[str]] = frozenset()
    # Settings that `__post_init__` of their class checks.
    checked_apart: ClassVar[frozenset[str]] = frozenset({"trained_betas", "edm_sigmas"})
    # Values that mean one of ours under another scheduler's name.
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {}

    num_train_timesteps: int = 1000
    beta_start: float = 0.0001
    beta_end: float = 0.02
    beta_schedule: str = "linear"
    trained_betas: Sequence[float] | None = None
    prediction_type: str = "epsilon"
    timestep_spacing: str = "leading"
    steps_offset: int = 0
    downcast_alphas_cumprod: bool = False  # to float16, as AUTOMATIC1111 did before 1.7
    others: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    defaulted: frozenset[str] = field(default=frozenset(), repr=False)

    def __post_init__(self) -> None:
        for item in fields(self):
            if item.name not in {*_BOOKKEEPING, *self.checked_apart}:
                check_setting(
                    self.class_name,
                    item.name,
                    getattr(self, item.name),
                    item.default,
                    self.choices.get(item.name),
                    self.ranges.get(item.name),
                )
        for name in self.lacking & self.others.keys():
            object.__setattr__(self, name, self.others[name])
        self._check_one_spacing()
        if self.trained_betas is not None and len(self.trained_betas) != self.num_train_timesteps:
            raise RequestError(
                f"{self.class_name}: trained_betas has {len(self.trained_betas)} values, "
                f"num_train_timesteps says {self.num_train_timesteps}"
            )

    def _check_one_spacing(self) -> None:
        said = [name for name in map(setting_of, SIGMA_SPACINGS) if self._says(name, True)]
        schedule = self._own("sigma_schedule")
        if self.ladder is not None and schedule is not None:
            said.append(f"sigma_schedule={schedule!r}")
        if len(said) > 1:
            raise RequestError(
                f"{self.class_name}: only one of {' and '.join(said)} can space the noise levels; "
                "set the other to false or null"
            )

    @property
    def sigma_spacing(self) -> str | None:
        """Which of `SIGMA_SPACINGS` a run's noise levels have; None: those of its timesteps."""
        return next((name for name in SIGMA_SPACINGS if self._says(setting_of(name), True)), None)

    @property
    def ladder(self) -> str | None:
        """Which of `LADDERS` a run walks down; None: the reference's levels."""
        return cast("str | None", self._own("sigma_schedule"))

    @property
    def edm(self) -> Edm | None:
        """Which of EDM's noise levels the model was trained on; None: those of `betas`."""
        return None

    @property
    def discards_penultimate(self) -> bool:
        """Whether the last level but one of a ladder that is one longer is left out."""
        return self._says("discard_penultimate_sigma", True)

    @property
    def zero_terminal_snr(self) -> bool:
        """Whether the noisiest training timestep is nothing but noise."""
        return self._says("rescale_betas_zero_snr", True)

    @property
    def downcasts_alphas(self) -> bool:
        """Whether `alphas_cumprod` are rounded to float16 before noise levels are made of them."""
        return self._says(_HALVED, True)

    @property
    def ends_at_sigma_min(self) -> bool:
        """Whether a run ends at the least noise of the training schedule, not at none."""
        return self._says("final_sigmas_type", "sigma_min")

    @property
    def ends_at_alpha_one(self) -> bool:
        """Whether `alphas_cumprod` counts as 1 past the cleanest training timestep."""
        return self._says("set_alpha_to_one", True)

    @property
    def adds_noise(self) -> bool:
        """Whether its `eta` has steps add noise."""
        return bool(self._own("eta"))

    def sigma_range(self, lowest: float, highest: float) -> tuple[float, float]:
        """The ends of a respaced run: as set, else those given."""
        lowest_set, highest_set = self._own("sigma_min"), self._own("sigma_max")
        return cast(float, lowest_set or lowest), cast(float, highest_set or highest)

    def _says(self, name: str, value: object) -> bool:
        said = self._own(name)
        return said is value if isinstance(value, bool) else said == value

    def _own(self, name: str) -> object:
        """A setting of this scheduler; what is kept for another must not act."""
        return getattr(self, name) if name in self.names() else None

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """The settings of this scheduler."""
        unsaid = {*_BOOKKEEPING, *cls.lacking}
        return tuple(item.name for item in fields(cls) if item.name not in unsaid)

    @classmethod
    def from_settings(
        cls, settings: Mapping[str, object], others: Mapping[str, object] | None = None
    ) -> Self:
        """Settings given by name; what is absent takes its default.

        Raises:
            UnknownArgumentError: no setting has this name.
            RequestError: a value that is not allowed.
        """
        check_no_unknown(
            cls.class_name, (name for name in settings if name not in cls.names()), cls.names()
        )
        values = {name: cls._standard(name, value) for name, value in settings.items()}
        return cls(
            **cast(dict[str, Any], values),
            others=dict(others or {}),
            defaulted=frozenset(cls.names()) - settings.keys(),
        )

    @classmethod
    def from_published(
        cls, published: Mapping[str, object], overrides: Mapping[str, object]
    ) -> Self:
        """The settings that another scheduler's config, or a file's JSON, means for this one.

        Raises:
            UnknownArgumentError: no scheduler has a setting of an override's name.
        """
        known = {name for kind in _kinds(SchedulerConfig) for name in kind.names()}
        check_no_unknown(cls.class_name, (name for name in overrides if name not in known), known)
        left_behind = published.get(DEFAULTED) or ()
        if not isinstance(left_behind, list | tuple):
            raise RequestError(f"{cls.class_name}: {DEFAULTED} must be a list of names")
        written = {k: v for k, v in published.items() if k not in left_behind and k != DEFAULTED}
        if is_edms(written):
            written = cls._on_edms_levels(written, overrides)
        written = {**written, **overrides}
        others = {k: v for k, v in written.items() if k not in cls.names() and k != "_class_name"}
        return cls.from_settings({k: v for k, v in written.items() if k in cls.names()}, others)

    @classmethod
    def _on_edms_levels(
        cls,
        written: Mapping[str, object],  # noqa: ARG003
        overrides: Mapping[str, object],  # noqa: ARG003
    ) -> dict[str, object]:
        """What is written for a model on EDM's noise levels, as this scheduler has it.

        Raises:
            RequestError: it cannot be on them.
        """
        raise RequestError(
            f"{cls.class_name} goes through training timesteps, which {MODELS} does not have; take "
            "one that walks down noise levels, such as 'euler' or 'dpmpp-2m'"
        )

    @classmethod
    def _standard(cls, name: str, value: object) -> object:
        if name == "trained_betas" and value is not None:
            return betas_of(cls.class_name, value)
        if value is None and isinstance(getattr(cls, name), bool):
            return False  # as files say it too
        for known, meaning in cls.synonyms.get(name, {}).items():
            if known == value:
                return meaning
        return value

    def to_published(self) -> dict[str, object]:
        """What `scheduler_config.json` holds, and what the mapping shows.

        An infinite default is left out, because JSON cannot write it, and what only kakusan has
        and nobody set, because the reference would warn of it.
        """
        ours = {
            item.name: value
            for item in fields(self)
            if item.name in self.names()
            and not (
                (value := self[item.name]) == item.default
                and (is_infinite(value) or (item.name in OWN and not value))
            )
        }
        return {"_class_name": self.class_name, **self.others, **ours}

    def __getitem__(self, key: str) -> object:
        if key in self.names():
            value = getattr(self, key)
            return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value
        if key == "_class_name":
            return self.class_name
        return sorted(self.defaulted) if key == DEFAULTED else self.others[key]

    def __getattr__(self, name: str) -> object:
        """What is kept for other schedulers, and `_class_name`, as attributes too."""
        if name in ("_class_name", *self.__dict__.get("others", ())):
            return self[name]
        raise AttributeError(f"{self.class_name} has no setting {name!r}")

    def __iter__(self) -> Iterator[str]:
        yield from (*self.to_published(), DEFAULTED)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _kinds(base: type[SchedulerConfig]) -> Iterator[type[SchedulerConfig]]:
    """Every class of settings below `base`."""
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)
