"""What the UNet is told beside latents and text, and whether what it is told fits it."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

from kakusan.errors import RequestError, shown
from kakusan.models.layers.attention import TextContext
from kakusan.models.unet.config import UNetConfig


class AddedConditioning(NamedTuple):
    """What conditions SDXL besides the tokens.

    Attributes:
        text_embeds: pooled text embeddings, shape (batch, width).
        time_ids: original size, crop and target size in pixels, shape (batch, 6); the refiner has a
            score of beauty in place of the target size, shape (batch, 5).
    """

    text_embeds: Tensor
    time_ids: Tensor

    @classmethod
    def of_reference(cls, given: Mapping[str, Tensor]) -> "AddedConditioning":
        """What the reference's UNet takes as `added_cond_kwargs`.

        Raises:
            RequestError: Something is missing or too much.
        """
        if set(given) != set(cls._fields):
            raise RequestError(
                f"added_cond_kwargs has {shown(sorted(given))}; it must have text_embeds and "
                "time_ids"
            )
        return cls(**given)


def check_fits(config: UNetConfig, sample: Tensor, context: object) -> None:
    """Raise `RequestError` for latents or embeddings of another shape than it computes with."""
    channels, width = config.in_channels, config.cross_attention_dim
    if sample.ndim != 4 or sample.shape[1] != channels:
        raise RequestError(
            f"sample has shape {tuple(sample.shape)}; this UNet takes (batch, {channels}, "
            "height, width)"
        )
    texts = context.embeddings if isinstance(context, TextContext) else (context,)
    for text in texts:
        if not isinstance(text, Tensor) or text.ndim != 3 or text.shape[2] != width:
            got = f"shape {tuple(text.shape)}" if isinstance(text, Tensor) else shown(text)
            raise RequestError(
                f"encoder_hidden_states: got {got}; this UNet takes (batch, tokens, {width})"
            )


def check_guidance(config: UNetConfig, guidance: Tensor, rows: int) -> None:
    """Raise `RequestError` for a guidance embedding that this UNet does not take."""
    width = config.guidance_dim
    if not width:
        raise RequestError(
            "this UNet does not take timestep_cond: it was not distilled under guidance"
        )
    if guidance.ndim != 2 or len(guidance) not in (1, rows) or guidance.shape[1] != width:
        raise RequestError(
            f"timestep_cond has shape {tuple(guidance.shape)}; this UNet takes ({rows}, {width})"
        )


def check_added(config: UNetConfig, added: AddedConditioning | None) -> None:
    """Raise `RequestError` where SDXL's conditioning is missing, or is another model's."""
    if bool(config.added_time_dim) != (added is not None):
        need = "needs" if config.added_time_dim else "does not take"
        raise RequestError(f"this UNet {need} added_conditioning (pooled text and sizes)")
