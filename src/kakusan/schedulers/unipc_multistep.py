"""UniPC: a predictor and a corrector of one form (arXiv:2302.04867)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor

from kakusan.errors import RequestError, shown
from kakusan.schedulers.levels import Level, half_log_snr
from kakusan.schedulers.log_snr_scheduler import Known, LogSnrScheduler, SolverConfig
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput
from kakusan.schedulers.spacings import Floats


@dataclass(frozen=True, kw_only=True, eq=False)
class UniPCMultistepConfig(SolverConfig):
    """Settings of `UniPCMultistepScheduler`.

    Attributes:
        disable_corrector: places in the run, of those steps whose result is not corrected.
    """

    class_name = "UniPCMultistepScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SolverConfig.choices,
        "solver_type": ("bh1", "bh2"),
        "final_sigmas_type": ("zero", "sigma_min"),
        "solver_p": (None,),
        "shift_terminal": (None,),
        "time_shift_type": ("exponential", "linear"),
    }
    synonyms: ClassVar[Mapping[str, Mapping[object, object]]] = {
        "solver_type": {"midpoint": "bh2", "heun": "bh2", "logrho": "bh2"},
    }
    checked_apart: ClassVar[frozenset[str]] = SolverConfig.checked_apart | {"disable_corrector"}

    predict_x0: bool = True
    solver_type: str = "bh2"
    lower_order_final: bool = True
    disable_corrector: Sequence[int] = ()
    solver_p: None = None
    final_sigmas_type: str = "zero"
    rescale_betas_zero_snr: bool = False
    sigma_min: float | None = None
    sigma_max: float | None = None
    shift_terminal: None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        places: object = self.disable_corrector
        several = isinstance(places, list | tuple)
        if not several or any(type(each) is not int for each in cast("list[object]", places)):
            raise RequestError(
                f"{self.class_name}: disable_corrector={shown(places)} must be a list of whole "
                "numbers"
            )
        object.__setattr__(self, "disable_corrector", tuple(cast("list[int]", places)))


class _History(NamedTuple):
    """What was predicted at up to three levels, latest first, and how the last step was taken."""

    known: tuple[Known, ...] = ()
    order: int = 0
    sample: Tensor | None = None  # the one that it began with


class UniPCMultistepScheduler(LogSnrScheduler[UniPCMultistepConfig]):
    """Predicts the next sample, and corrects it once the model has seen it, without a call more.

    It integrates the clean sample (`predict_x0`) or the noise. As in the reference, only clean
    samples are thresholded.
    """

    config_class = UniPCMultistepConfig
    history = _History()

    def advance(self, x: Tensor, seen: Prediction, now: Level, then: Level) -> SchedulerOutput:
        """Correct the sample by what is seen in it, then predict the next one."""
        c, past, clean = self.config, self.history, self._limited(seen.clean)
        here = Known(now, clean if c.predict_x0 else seen.noise)
        if past.sample is not None and self._corrects():
            x = self._update(past.sample, past.known[: past.order], now, here.predicted)
        known = (here, *past.known)[: c.solver_order]
        order = self._order(len(known))
        self.history = _History(known, order, x)
        if then.sigma == 0:  # infinitely far, where there is but the first order
            return SchedulerOutput(clean, clean)
        return SchedulerOutput(self._update(x, known[:order], then, None), clean)

    def _corrects(self) -> bool:
        """Whether the sample that the last step led to is to be corrected."""
        return (self._step_index or 0) - 1 not in self.config.disable_corrector

    def _order(self, known: int) -> int:
        """Lower at the start, where little is known, and as the config asks at the end."""
        return min(known, self.steps_left()) if self.config.lower_order_final else known

    def _update(
        self, x: Tensor, known: Sequence[Known], then: Level, reached: Tensor | None
    ) -> Tensor:
        """From the latest known level to another: equation 9 of the paper, or with `reached` 8.

        Args:
            reached: what was predicted there.
        """
        (now, latest), *_ = known
        h = half_log_snr(then) - half_log_snr(now)
        signed = -h if self.config.predict_x0 else h
        phi = torch.expm1(signed)
        if self.config.predict_x0:
            scale, x = then.alpha, then.sigma / now.sigma * x - then.alpha * phi * latest
        else:
            scale, x = then.sigma, then.alpha / now.alpha * x - then.sigma * phi * latest
        ratios = [(half_log_snr(each.level) - half_log_snr(now)) / h for each in known[1:]]
        differences = [
            (each.predicted - latest) / r for r, each in zip(ratios, known[1:], strict=True)
        ]
        if reached is not None:
            ratios, differences = [*ratios, torch.ones_like(h)], [*differences, reached - latest]
        if not differences:
            return x
        step = signed if self.config.solver_type == "bh1" else phi
        weights = _weights(torch.stack(ratios), signed, step)
        terms = [w.to(x) * each for w, each in zip(weights, differences, strict=True)]
        return x - scale * step * sum(terms[1:], terms[0])

    def _last_sigma(self, sigmas: Floats) -> float:
        """As elsewhere; but respaced levels end at the last of themselves, which is taken twice."""
        c = self.config
        if c.ends_at_sigma_min and c.sigma_spacing is not None:
            return float(sigmas[-1])
        return super()._last_sigma(sigmas)


def _weights(ratios: Tensor, h: Tensor, step: Tensor) -> Tensor:
    """The weights of differences at these places, in units of `h`: Theorem 3.1.

    One of them alone weighs one half, which needs no equations.
    """
    count = len(ratios)
    if count == 1:
        return torch.full_like(ratios, 0.5)
    phi, factorial = torch.expm1(h) / h - 1, 1
    right: list[Tensor] = []
    for k in range(1, count + 1):
        right.append(phi * factorial / step)
        factorial *= k + 1
        phi = phi / h - 1 / factorial
    rows = torch.stack([ratios**k for k in range(count)])
    return torch.linalg.solve(rows, torch.stack(right))
