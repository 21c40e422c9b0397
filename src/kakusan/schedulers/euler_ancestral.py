"""Euler's method with ancestral noise, as k-diffusion's `sample_euler_ancestral` introduced it."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.schedulers.config import SchedulerConfig
from kakusan.schedulers.noise import Generators, noise_like
from kakusan.schedulers.scheduler import SchedulerOutput, Timestep
from kakusan.schedulers.sigma_scheduler import UnscaledSigmaScheduler


@dataclass(frozen=True, kw_only=True, eq=False)
class EulerAncestralConfig(SchedulerConfig):
    """Settings of `EulerAncestralDiscreteScheduler`."""

    class_name = "EulerAncestralDiscreteScheduler"

    timestep_spacing: str = "linspace"
    rescale_betas_zero_snr: bool = False


class EulerAncestralDiscreteScheduler(UnscaledSigmaScheduler[EulerAncestralConfig]):
    """Steps further down than asked for and adds noise back, in float32 whatever the dtype."""

    config_class = EulerAncestralConfig
    step_options = frozenset({"generator"})

    def step(
        self,
        model_output: Tensor,
        timestep: Timestep,
        sample: Tensor,
        *,
        generator: Generators = None,
        return_dict: bool = True,  # noqa: ARG002
    ) -> SchedulerOutput:
        """One step down to `sigma_down`, and noise of `sigma_up`.

        The two are the mean and deviation of DDPM's posterior (arXiv:2006.11239, equation 7) in
        terms of sigma. Noise is drawn on the last step too, where it counts for nothing.
        """
        index = self._begin_step(timestep)
        sigma, following = self.sigmas[index], self.sigmas[index + 1]
        sigma_up = (following**2 * (sigma**2 - following**2) / sigma**2) ** 0.5
        sigma_down = (following**2 - sigma_up**2) ** 0.5
        x = sample.float()
        clean = self._denoised_at(index, model_output, x)
        x = x + (x - clean) / sigma * (sigma_down - sigma)
        x = x + noise_like(model_output, generator) * sigma_up
        return SchedulerOutput(x.to(model_output.dtype), clean)
