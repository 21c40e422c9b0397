"""Where a trajectory begins: at pure noise, at a picture with noise on it, or midway."""

from dataclasses import dataclass

from torch import Tensor

from kakusan.errors import RequestError
from kakusan.schedulers import Scheduler


@dataclass(frozen=True, eq=False)
class Start:
    """Noise, or a picture and how far to go back towards noise (arXiv:2108.01073).

    Attributes:
        noise: standard normal, shape (b, c, h, w).
        picture: clean latents of that shape; None draws from noise alone.
        step: the number of the first step that is taken; 0 takes all.
        is_midway: whether `noise` is not that, but what another model left at the level of `step`.

    Raises:
        RequestError: A later step without a picture.
    """

    noise: Tensor
    picture: Tensor | None = None
    step: int = 0
    is_midway: bool = False

    def __post_init__(self) -> None:
        if self.picture is None and self.step > 0 and not self.is_midway:
            raise RequestError(f"noise alone begins at step 0, not {self.step}; give a picture too")

    def latents(self, scheduler: Scheduler) -> Tensor:
        """The latents at the noise level of the first step, in float32 or more.

        The loop is not where precision should be lost.
        """
        noise = self.noise if self.noise.dtype.itemsize > 4 else self.noise.float()
        if self.is_midway:
            return noise
        if self.picture is None:
            return noise * scheduler.init_noise_sigma
        at = scheduler.timesteps[self.step : self.step + 1]
        return scheduler.add_noise(self.picture.to(noise), noise, at)
