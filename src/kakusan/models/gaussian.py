"""The distribution over latents that the VAE's encoder gives for a picture."""

from collections.abc import Sequence

import torch
from torch import Tensor


class DiagonalGaussian:
    """Independent normal distributions, one for each value of the latents.

    Args:
        parameters: means and then logarithms of variances along the channels, shape
            (batch, 2 * channels, height, width).
    """

    def __init__(self, parameters: Tensor) -> None:
        self.parameters = parameters
        self.mean, logvar = parameters.chunk(2, dim=1)
        self.logvar = logvar.clamp(-30.0, 20.0)

    @property
    def std(self) -> Tensor:
        """Standard deviations."""
        return torch.exp(0.5 * self.logvar)

    def mode(self) -> Tensor:
        """The likeliest latents: the means."""
        return self.mean

    def sample(
        self, generator: torch.Generator | Sequence[torch.Generator] | None = None
    ) -> Tensor:
        """Draw latents; a list of generators draws one picture each.

        The noise is drawn on the generator's device, so that a seed means the same anywhere.
        """
        if isinstance(generator, Sequence):
            draws = [self._noise((1, *self.mean.shape[1:]), one) for one in generator]
            return self.mean + self.std * torch.cat(draws)
        return self.mean + self.std * self._noise(self.mean.shape, generator)

    def kl(self) -> Tensor:
        """The Kullback-Leibler divergence from the standard normal, in nats, shape (batch,)."""
        terms = self.mean**2 + self.logvar.exp() - 1.0 - self.logvar
        return 0.5 * terms.sum(dim=(1, 2, 3))

    def _noise(self, shape: Sequence[int], generator: torch.Generator | None) -> Tensor:
        device = self.mean.device if generator is None else generator.device
        noise = torch.randn(tuple(shape), generator=generator, device=device, dtype=self.mean.dtype)
        return noise.to(self.mean.device)
