"""DDIM: denoising diffusion implicit models (arXiv:2010.02502)."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.schedulers.levels import Level
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.posterior_scheduler import PosteriorConfig, PosteriorScheduler
from kakusan.schedulers.prediction import Prediction
from kakusan.schedulers.scheduler import SchedulerOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class DDIMConfig(PosteriorConfig):
    """Settings of `DDIMScheduler`."""

    class_name = "DDIMScheduler"

    set_alpha_to_one: bool = True


class DDIMScheduler(PosteriorScheduler[DDIMConfig]):
    """Deterministic at `eta` 0, as noisy as DDPM at `eta` 1."""

    config_class = DDIMConfig

    def advance(
        self,
        x: Tensor,
        seen: Prediction,
        now: Level,
        then: Level,
        *,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
        generator: Generators = None,
    ) -> SchedulerOutput:
        """One step of equation 12; `eta` scales the noise of equation 16.

        Args:
            use_clipped_model_output: derive the noise again from the clipped clean sample.
        """
        if not 0 <= eta < float("inf"):
            raise ArgumentError("{eta} is {0!r}; allowed: 0 (deterministic) to 1 (as DDPM)", eta)
        clean = self._limited(seen.clean)
        noise = (x - now.alpha * clean) / now.sigma if use_clipped_model_output else seen.noise
        a, b = now.alpha_cumprod, then.alpha_cumprod
        std = eta * ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5
        advanced = then.alpha * clean + (1 - b - std**2) ** 0.5 * noise
        if eta > 0:
            advanced = advanced + std * noise_like(seen.output, generator)
        return SchedulerOutput(advanced, clean)
