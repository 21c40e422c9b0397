"""The networks of one model, ready to compute, for any number of requests at once."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor

from kakusan.engine.joining import Joined, embeddings, join, split, together
from kakusan.engine.overflow import Computed, compute
from kakusan.engine.placement import Placement
from kakusan.errors import ArgumentError
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    Conditioning,
    Model,
    StableDiffusionSafetyChecker,
    TextContext,
    UNet2DConditionModel,
    UNetCall,
)

# The kind of device whose calls can be recorded
RECORDABLE = "cuda"
# Sets of texts whose keys and values are stored: requests that come and go make few at a time
MOST_CONTEXTS = 4


class Engine:
    """Computes with a model's networks as they were when it was made.

    Args:
        placement: where they are; decides what is moved, and what is recorded.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        placement: Placement | None = None,
    ) -> None:
        self.unet, self.vae, self.text_encoder = unet, vae, text_encoder
        self.safety_checker = safety_checker
        self.placement = placement or Placement()
        self._contexts: dict[tuple[int, ...], tuple[list[Conditioning], TextContext]] = {}

    @property
    def networks(self) -> list[Model[Any]]:
        """Those that there are."""
        parts = (self.safety_checker, self.text_encoder, self.unet, self.vae)
        return [part for part in parts if part is not None]

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.placement.device(self.unet)

    def full_size(self, height: int | None, width: int | None) -> dict[str, int]:
        """Height and width with the model's own in place of None.

        Raises:
            RequestError: Not a multiple of the VAE's factor.
        """
        factor = self.vae.scale_factor
        own = self.unet.config.sample_size * factor
        size = {"height": height or own, "width": width or own}
        for name, value in size.items():
            if value % factor:
                raise ArgumentError(f"{{{name}}} must be a multiple of {factor}, not {value}")
        return size

    def prepare(self) -> None:
        """Find broken weights before any network runs, and make all of them ready.

        Networks that take turns on a device are made ready there.

        Raises:
            CheckpointError: Weights that were loaded are NaN or infinite.
        """
        if self.placement.offload is None:
            for network in self.networks:
                network.prepare()

    @torch.no_grad()
    def predict(self, calls: Sequence[UNetCall]) -> list[Tensor]:
        """What the UNet says to each call, (batch, channels, height, width) in its sample's dtype.

        Calls of one latent size are answered together, whichever requests they belong to: their
        timesteps, texts and lengths of texts may differ.
        """
        answers: dict[int, Tensor] = {}
        for group in together(calls):
            some = [calls[index] for index in group]
            joined = join(some)
            prediction = self._call(joined, self._context(some), upcast=some[0].upcast)
            answers |= zip(group, split(joined, prediction, some), strict=True)
        return [answers[index] for index in range(len(calls))]

    @torch.no_grad()
    def encode(self, run: Callable[[CLIPTextModel, Tensor], Tensor], ids: Tensor) -> Computed:
        """What `run` makes of tokens (batch, tokens) with the text encoder."""
        return compute("text encoder", self.text_encoder, run, ids, self.placement.use)

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Computed:
        """Pixels (batch, 3, height, width) in about [-1, 1] of latents as the loop has them.

        Raises:
            NumericalError: The VAE gives NaN or infinity in float32 too.
        """
        scaled = latents / self.vae.config.scaling_factor
        return compute("VAE", self.vae, lambda vae, z: vae.decode(z)[0], scaled, self.placement.use)

    @torch.no_grad()
    def encode_picture(self, pixels: Tensor) -> Computed:
        """The mean latents, as the loop has them, of pixels (batch, 3, height, width) in [-1, 1].

        Raises:
            NumericalError: The VAE gives NaN or infinity in float32 too.
        """

        def run(vae: AutoencoderKL, x: Tensor) -> Tensor:
            return vae.encode(x)[0].mode() * vae.config.scaling_factor

        return compute("VAE", self.vae, run, pixels.to(self.device), self.placement.use)

    @torch.no_grad()
    def flagged(self, images: Sequence[Image], extractor: CLIPImageProcessor) -> list[bool]:
        """Which pictures the safety checker would not show; without one it may not be asked."""
        assert self.safety_checker is not None
        seen = extractor(list(images), return_tensors="pt").pixel_values
        with self.placement.use(self.safety_checker):
            _, flags = self.safety_checker(list(seen), seen.to(self.device))
        return list(flags)

    def _call(self, joined: Joined, context: TextContext, *, upcast: bool) -> Tensor:
        unet = self._upcast_unet() if upcast else self.unet
        acceleration = self.placement.acceleration
        recordable = not upcast and not joined.options
        with self.placement.use(unet):
            if acceleration and recordable and _is_one(context) and unet.device.type == RECORDABLE:
                unet.prepare()  # may move weights, which a recording must not
                return acceleration.calls_of(unet)(
                    joined.sample, joined.timestep, context.embeddings[0]
                )
            return unet(
                joined.sample, joined.timestep, encoder_hidden_states=context, **joined.options
            )[0]

    def _upcast_unet(self) -> UNet2DConditionModel:
        if self.unet.compute_dtype.itemsize >= 4:
            return self.unet
        with self.placement.use(self.unet):
            return self.unet.upcast()

    def _context(self, calls: Sequence[UNetCall]) -> TextContext:
        """The text of all rows; the same object as long as the same rows are asked about."""
        told = [call.conditioning for call in calls]
        key = tuple(id(each) for each in told)
        if key not in self._contexts:
            while len(self._contexts) >= MOST_CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
            # those told are held, so that no other has their numbers
            self._contexts[key] = (told, TextContext(*embeddings(told)))
        return self._contexts[key][1]


def _is_one(context: TextContext) -> bool:
    return len(context.embeddings) == 1
