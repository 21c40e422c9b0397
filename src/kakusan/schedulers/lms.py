"""Linear multistep sampling on uneven noise levels, as k-diffusion's `sample_lms` does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class LMSConfig(SchedulerConfig):
    """Settings of `LMSDiscreteScheduler`."""

    class_name = "LMSDiscreteScheduler"
    choices: ClassVar[Mapping[str, Sequence[object]]] = {
        **SchedulerConfig.choices,
        "use_beta_sigmas": (False,),
    }

    timestep_spacing: str = "linspace"
    use_karras_sigmas: bool = False
    use_exponential_sigmas: bool = False
    use_beta_sigmas: bool = False


class LMSDiscreteScheduler(UnscaledSigmaScheduler[LMSConfig]):
    """K-LMS: integrates the polynomial through the last four slopes to the next noise level."""

    config_class = LMSConfig
    step_options = frozenset({"order"})

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        order: int = 4,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """One step from the last `order` slopes, or as many as there are yet."""
        if order < 1:
            raise RequestError(f"order is {order}; allowed: 1 or more")
        index = self._begin_step(timestep)
        clean = self._denoised_at(index, model_output, sample)
        self._slopes = (*self._slopes[1 - order :], (sample - clean) / self.sigmas[index])[-order:]
        known = [float(self.sigmas[index - back]) for back in range(len(self._slopes))]
        coefficients = lagrange_integrals(
            known, float(self.sigmas[index]), float(self.sigmas[index + 1])
        )
        terms = [a * slope for a, slope in zip(coefficients, reversed(self._slopes), strict=True)]
        return SchedulerOutput(sample + sum(terms[1:], terms[0]), clean)

    def _begin_run(self) -> None:
        super()._begin_run()
        self._slopes: tuple[Tensor, ...] = ()


def lagrange_integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """The integral from `start` to `end` of each Lagrange basis polynomial over `nodes`.

    Gauss-Legendre quadrature with ceil(n / 2) points is exact for the degree n - 1 of n nodes.
    """
    points, weights = np.polynomial.legendre.leggauss((len(nodes) + 1) // 2)
    half = (end - start) / 2
    tau = start + half * (points + 1)
    integrals: list[float] = []
    for node in nodes:
        others = [other for other in nodes if other != node]
        basis = np.prod([(tau - other) / (node - other) for other in others], axis=0)
        integrals.append(float(half * np.sum(weights * basis)))
    return integrals
