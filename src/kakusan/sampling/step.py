"""One step of a picture's way, as its reader sees it."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL.Image import Image
from torch import Tensor

from kakusan.models import Autoencoder
from kakusan.sampling.guidance import Guidance, Prompt


class View(Protocol):
    """Makes pictures of latents."""

    def preview(self, latents: Tensor, vae: Autoencoder[Any] | None = None) -> list[Image]:
        """Small pictures of latents, at their size, for next to no time; or as a VAE has them."""
        ...

    def decode_to_pil(self, latents: Tensor) -> list[Image]:
        """Full pictures of latents."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Step:
    """One step of the denoising loop, after it was taken.

    `latents` (b, c, h, w) go on into the next step; `denoised`, of the same shape, is the
    network's present guess of where they will end. `pictures` numbers the pictures in it among all
    that were asked for: one, or those that share a generator. `timestep` and `sigma` are the noise
    level the step began at. `prompt` and `guidance` are what the next step is asked with; `stop`
    says that there is no next step, whatever `total` says.
    """

    index: int
    total: int
    timestep: float
    sigma: float
    latents: Tensor
    denoised: Tensor
    prompt: Prompt = field(repr=False)
    guidance: Guidance = field(default=Guidance(), repr=False)
    pictures: range = range(1)
    stop: bool = False
    view: View | None = field(default=None, repr=False)

    @property
    def is_last(self) -> bool:
        return self.stop or self.index == self.total - 1

    def preview(self, vae: Autoencoder[Any] | None = None) -> list[Image]:
        """Small pictures of the present guess, at the latents' size, for next to no time.

        Args:
            vae: decodes full pictures in their place, such as an `AutoencoderTiny`.
        """
        assert self.view is not None, "this step does not come from a pipeline"
        return self.view.preview(self.denoised, vae)

    def decode(self) -> list[Image]:
        """Full pictures of the present guess (of the result, at the last step), by the VAE."""
        assert self.view is not None, "this step does not come from a pipeline"
        return self.view.decode_to_pil(self.latents if self.is_last else self.denoised)
