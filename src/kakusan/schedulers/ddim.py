"""DDIM: denoising diffusion implicit models (arXiv:2010.02502)."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.posterior_scheduler import PosteriorConfig, PosteriorScheduler
from kakusan.schedulers.prediction import predicted_noise
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep


@dataclass(frozen=True, kw_only=True, eq=False)
class DDIMConfig(PosteriorConfig):
    """Settings of `DDIMScheduler`."""

    class_name = "DDIMScheduler"

    set_alpha_to_one: bool = True


class DDIMScheduler(PosteriorScheduler[DDIMConfig]):
    """Deterministic at `eta` 0, as noisy as DDPM at `eta` 1."""

    config_class = DDIMConfig
    step_options = frozenset({"eta", "generator", "use_clipped_model_output"})

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        eta: float = 0.0,
        use_clipped_model_output: bool = False,
        generator: Generators = None,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """One step of equation 12; `eta` scales the noise of equation 16.

        Args:
            use_clipped_model_output: derive the noise again from the clipped clean sample.
        """
        if not 0 <= eta < float("inf"):
            raise RequestError(f"eta is {eta!r}; allowed: 0 (deterministic) to 1 (as DDPM)")
        now, before = self._alphas_cumprod_around(int(timestep))
        alpha, sigma = now**0.5, (1 - now) ** 0.5
        clean = self._limited(self.denoised(model_output, timestep, sample))
        noise = predicted_noise(self.config.prediction_type, model_output, sample, alpha, sigma)
        if use_clipped_model_output:
            noise = (sample - alpha * clean) / sigma
        std = eta * ((1 - before) / (1 - now) * (1 - now / before)) ** 0.5
        x = before**0.5 * clean + (1 - before - std**2) ** 0.5 * noise
        if eta > 0:
            x = x + std * noise_like(model_output, generator)
        return SchedulerOutput(x, clean)

    def _alphas_cumprod_around(self, timestep: int) -> tuple[Tensor, Tensor]:
        """`alphas_cumprod` here and one step further towards the clean end."""
        return self.alphas_cumprod[timestep], self._alpha_cumprod_at(timestep - self._stride())
