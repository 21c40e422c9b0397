"""The networks of one model, and what their configs tell of what it draws."""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch

from kakusan.engine.placement import Placement
from kakusan.errors import ArgumentError, RequestError
from kakusan.models import (
    Autoencoder,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    Model,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
)

PartT = TypeVar("PartT")

# Of every published VAE of this family
USUAL_SCALE = 8


class Parts:
    """Networks, some of which may be missing.

    Args:
        placement: where they are.
        controls: ControlNets and T2I-Adapters.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel | None,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        safety_checker: StableDiffusionSafetyChecker | None,
        placement: Placement | None,
        controls: Sequence[Model[Any]] = (),
        image_encoder: CLIPVisionModelWithProjection | None = None,
    ) -> None:
        self._unet, self._vae, self._text_encoder = unet, vae, text_encoder
        self._text_encoder_2 = text_encoder_2
        self.safety_checker, self._image_encoder = safety_checker, image_encoder
        self.placement = placement or Placement()
        self.controls = tuple(controls)

    @property
    def unet(self) -> UNet2DConditionModel:
        """Raises RequestError where there is none, as those below do."""
        return present("unet", self._unet)

    @property
    def vae(self) -> Autoencoder[Any]:
        return present("vae", self._vae)

    @property
    def text_encoder(self) -> CLIPTextModel:
        return present("text_encoder", self._text_encoder)

    @property
    def text_encoder_2(self) -> CLIPTextModelWithProjection:
        return present("text_encoder_2", self._text_encoder_2)

    @property
    def has_text_encoder(self) -> bool:
        return self._text_encoder is not None

    @property
    def has_text_encoder_2(self) -> bool:
        return self._text_encoder_2 is not None

    @property
    def has_unet(self) -> bool:
        return self._unet is not None

    @property
    def encoders(self) -> list[CLIPTextModel | CLIPTextModelWithProjection]:
        """The text encoders that there are."""
        both = (self._text_encoder, self._text_encoder_2)
        return [encoder for encoder in both if encoder is not None]

    @property
    def networks(self) -> list[Model[Any]]:
        """Those that there are."""
        encoders = (self._text_encoder, self._text_encoder_2)
        parts = (self.safety_checker, *encoders, self._unet, self._vae, self._image_encoder)
        return [*(part for part in parts if part is not None), *self.controls]

    @property
    def in_turns(self) -> tuple[Model[Any], ...]:
        """The networks that are all asked at each step, where there are several."""
        unet = () if self._unet is None else (self._unet,)
        return (*unet, *self.controls) if self.controls else ()

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        first = self._first
        return torch.device("cpu") if first is None else self.placement.device(first)

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet's weights are in."""
        return torch.float32 if self._first is None else self._first.dtype

    @property
    def _first(self) -> Model[Any] | None:
        """The UNet, or one of the others where there is none, if any."""
        return next(iter(self.networks), None) if self._unet is None else self._unet

    @property
    def text_width(self) -> int | None:
        """The last dimension of text embeddings; None where no network says it."""
        if self._unet is not None:
            return self._unet.config.cross_attention_dim
        return sum(each.config.hidden_size for each in self.encoders) or None

    @property
    def pooled_width(self) -> int | None:
        """The last dimension of pooled embeddings; None where no network says it."""
        if self._text_encoder_2 is not None:
            return self._text_encoder_2.config.projection_dim
        return None

    @property
    def embeds_guidance(self) -> bool:
        """Whether the UNet was distilled under guidance, and is told its scale."""
        return self._unet is not None and self._unet.config.guidance_dim > 0

    @property
    def scale_factor(self) -> int:
        """How many pixels a latent is wide."""
        return USUAL_SCALE if self._vae is None else self._vae.scale_factor

    def full_size(self, height: int | None, width: int | None) -> dict[str, int]:
        """Height and width with the model's own in place of None.

        Raises:
            RequestError: Not a multiple of the VAE's factor.
        """
        factor = self.scale_factor
        own_height, own_width = (side * factor for side in self.unet.config.latent_size)
        size = {"height": height or own_height, "width": width or own_width}
        for name, value in size.items():
            if value % factor:
                raise ArgumentError(f"{{{name}}} must be a multiple of {factor}, not {value}")
        return size


def present(name: str, part: PartT | None) -> PartT:
    """A part of a pipeline that something needs.

    Raises:
        RequestError: It is None.
    """
    if part is None:
        raise RequestError(
            f"this pipeline has no {name}, which this needs; give it one (pipe.{name} = ...)"
        )
    return part
