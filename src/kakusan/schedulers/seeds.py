"""SEEDS (arXiv:2305.14267): exponential solvers of the reverse SDE in single steps."""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, NamedTuple, TypeVar

from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.ladder_config import SpacedConfig
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.staged_scheduler import StagedScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class SEEDSConfig(SpacedConfig):
    """Settings of both schedulers.

    Attributes:
        eta: how much noise is added on the way; 0 adds none.
    """

    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        **SchedulerConfig.ranges,
        "eta": (0, 100),
        "r": (0.01, 1),
    }

    beta_start: float = 0.00085
    beta_end: float = 0.012
    eta: float = 1.0


class Begun(NamedTuple):
    """A step with calls still to come.

    Attributes:
        h: how long it is in log sigma.
        cleans: the clean samples of its calls.
        noise: of unit variance at most, from its beginning to where it is.
    """

    sample: Tensor
    sigma: Tensor
    h: Tensor
    cleans: tuple[Tensor, ...] = ()
    noise: Tensor | None = None


SEEDSConfigT = TypeVar("SEEDSConfigT", bound=SEEDSConfig)


class SEEDSScheduler(StagedScheduler[SEEDSConfigT]):
    """Steps through calls at fixed shares of the way; into noise level 0, what the model sees."""

    history: Begun | None = None
    _reached: tuple[float, ...]  # the noise level that each step leads to

    @abstractmethod
    def _shares(self) -> tuple[float, ...]:
        """How far on its way, in log sigma, each call of a step is made, after the first."""

    def _calls(self, levels: list[float]) -> list[list[float]]:
        self._reached = tuple(levels[1:])
        return [
            [start, *(_between(start, end, share) for share in self._shares() if end > 0)]
            for start, end in pairwise(levels)
        ]

    def _begun(self, x: Tensor, sigma: Tensor, clean: Tensor) -> Begun:
        """The step with what the model sees now."""
        end = self._reached[self._step()]
        past = self.history or Begun(x, sigma, (sigma / end).log())
        return past._replace(cleans=(*past.cleans, clean))

    def _noised(
        self, begun: Begun, way: tuple[float, float], like: Tensor, generator: Generators
    ) -> Begun:
        """With the noise of a part of the way, from one share to another."""
        eta = self.config.eta
        if eta == 0:
            return begun
        length = (way[1] - way[0]) * begun.h * eta
        noise = (-(-2 * length).expm1()).sqrt() * noise_like(like, generator)
        if begun.noise is not None:
            noise = noise + begun.noise * (-length).exp()
        return begun._replace(noise=noise)

    def _at(
        self, begun: Begun, share: float, sigma: Tensor, clean: Tensor, s_noise: float
    ) -> Tensor:
        """The sample at a share of the way.

        Args:
            clean: the weighted clean samples on the way.
        """
        kept = sigma / begun.sigma * (-share * begun.h * self.config.eta).exp()
        x = kept * begun.sample + clean
        return x if begun.noise is None else x + begun.noise * sigma * s_noise


def phi_1(h: Tensor) -> Tensor:
    """The weight of a clean sample that stays the same, 1 - exp(-h)."""
    return -(-h).expm1()


def phi_2(h: Tensor) -> Tensor:
    """The weight of how it changes, over h."""
    return 1 - phi_1(h) / h


def _between(start: float, end: float, share: float) -> float:
    return end if share == 1 else start ** (1 - share) * end**share
