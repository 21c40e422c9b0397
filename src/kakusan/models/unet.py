"""The UNet: predicts the noise in latents from their noise level and a text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.errors import RequestError, shown
from kakusan.models.familiar import refuse_later
from kakusan.models.layers.attention import TextContext
from kakusan.models.layers.basic import Conv2d, GroupNorm
from kakusan.models.layers.time_embedding import TimestepEmbedding, sinusoidal_embedding
from kakusan.models.model import Model
from kakusan.models.names import as_convolution, as_linear
from kakusan.models.unet_config import UNetConfig
from kakusan.models.unet_levels import (
    NORM_EPS,
    DeepFeature,
    Middle,
    UpLevel,
    down_levels,
    up_levels,
)
from kakusan.results import named

# What the reference's call takes too; as None it means nothing.
LATER = (
    *("attention_mask", "class_labels", "cross_attention_kwargs", "encoder_attention_mask"),
    "down_intrablock_additional_residuals",
)


@named
class UNetOutput(NamedTuple):
    """What the UNet gives back.

    Attributes:
        sample: the prediction, shape (batch, out_channels, height, width).
    """

    sample: Tensor


class AddedConditioning(NamedTuple):
    """What conditions SDXL besides the tokens.

    Attributes:
        text_embeds: pooled text embeddings, shape (batch, width).
        time_ids: original size, crop and target size in pixels, shape (batch, 6); the refiner has a
            score of beauty in place of the target size, shape (batch, 5).
    """

    text_embeds: Tensor
    time_ids: Tensor


class UNet2DConditionModel(Model[UNetConfig]):
    """The denoising network of Stable Diffusion 1, 2 and XL. arXiv:2112.10752, section 3.3."""

    config_class = UNetConfig
    part_names = ("unet",)

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        widths = config.block_out_channels
        emb_channels = 4 * widths[0]
        self.conv_in = Conv2d(config.in_channels, widths[0], 3, padding=1)
        self.time_embedding = TimestepEmbedding(
            widths[0], emb_channels, guidance_dim=config.guidance_dim
        )
        if config.added_time_dim:
            self.add_embedding = TimestepEmbedding(config.added_conditioning_dim, emb_channels)
        skips = [widths[0]]
        self.down_blocks = nn.ModuleList(down_levels(config, skips))
        self.mid_block = Middle(config)
        self.up_blocks = nn.ModuleList(up_levels(config, skips))
        self.conv_norm_out = GroupNorm(config.norm_num_groups, widths[0], eps=NORM_EPS, silu=True)
        self.conv_out = Conv2d(widths[0], config.out_channels, 3, padding=1)

    @property
    def in_channels(self) -> int:
        """Channels of the latents."""
        return self.config.in_channels

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor | TextContext,
        added_conditioning: AddedConditioning | None = None,
        *,
        residuals: Sequence[Tensor] = (),
        deep: DeepFeature | None = None,
        return_dict: bool = True,
        timestep_cond: Tensor | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        **later: object,
    ) -> UNetOutput | tuple[Tensor]:
        """Predict the noise (or the velocity, or the picture: the checkpoint decides) in latents.

        Args:
            sample: noisy latents, shape (batch, in_channels, height, width).
            timestep: one for all, or shape (batch,); may be fractional.
            encoder_hidden_states: text embeddings, shape (batch, tokens, cross_attention_dim). The
                same `TextContext` of them at every step saves what does not change.
            added_conditioning: SDXL only.
            residuals: what a ControlNet adds: one for the first convolution and for each layer on
                the way down, shaped as what they give, and last the one of the middle.
            deep: stores what most of the work goes into, for a later call to take as it is.
            return_dict: False gives a plain tuple.
            timestep_cond: networks distilled under guidance (LCM) only: its embedding, see
                `guidance_embedding`, shape (batch or 1, guidance_dim).
            added_cond_kwargs: `added_conditioning` as the reference takes it.
            down_block_additional_residuals, mid_block_additional_residual: `residuals` likewise.
            later: what else the reference takes, as long as it is None.

        Returns:
            The prediction in the dtype of `sample`.

        Raises:
            RequestError: a tensor does not fit this network.
            NotYetError: one of `later` has a value.
            UnknownArgumentError: an argument that does not exist.
        """
        refuse_later("the UNet", later, LATER)
        self._check_fits(sample, encoder_hidden_states)
        if added_cond_kwargs:
            added_conditioning = _added(added_cond_kwargs)
        if down_block_additional_residuals is not None or mid_block_additional_residual is not None:
            residuals = _joined(down_block_additional_residuals, mid_block_additional_residual)
        self.prepare()
        dtype = self.compute_dtype
        context = encoder_hidden_states
        if isinstance(context, Tensor):
            context = TextContext(context)
        emb = self._embedding(sample, timestep, added_conditioning, timestep_cond)
        x = self.conv_in(sample.to(dtype))
        skips: list[Tensor] = [x]
        feature = None if deep is None else deep.tensor
        added = [residual.to(dtype) for residual in residuals]
        if feature is None:
            x = self._deep(skips, emb, context, added)
        else:  # the residuals of what lies deeper are in it
            x = feature.to(dtype)
            skips = [skips[0] + added[0]] if added else skips
        if deep is not None:
            deep.tensor = x
        x = self._finest.last(x, skips, emb, context)
        x = self.conv_out(self.conv_norm_out(x)).to(sample.dtype)
        return UNetOutput(x) if return_dict else (x,)

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Version 1's outer projections of the transformers are 1x1 convolutions."""
        return {
            name: as_linear(tensor) if _is_outer_projection(name) else tensor
            for name, tensor in tensors.items()
        }

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Convolutions again, unless the config says linear."""
        if self.config.linear_projection:
            return dict(tensors)
        return {
            name: as_convolution(tensor) if _is_outer_projection(name) else tensor
            for name, tensor in tensors.items()
        }

    @property
    def _finest(self) -> UpLevel:
        return cast(UpLevel, self.up_blocks[-1])

    def _deep(
        self, skips: list[Tensor], emb: Tensor, context: TextContext, residuals: list[Tensor]
    ) -> Tensor:
        """What the last layer takes; `skips` holds the first convolution, and holds it after."""
        for down in self.down_blocks:
            skips += down(skips[-1], emb, context)
        x = self.mid_block(skips[-1], emb, context)
        if residuals:
            self._check_residuals([*skips, x], residuals)
            *beside, middle = residuals
            skips[:] = [skip + residual for skip, residual in zip(skips, beside, strict=True)]
            x = x + middle
        for up in self.up_blocks[:-1]:
            x = up(x, skips, emb, context)
        return self._finest.but_last(x, skips, emb, context)

    def _check_fits(self, sample: Tensor, context: object) -> None:
        """Raise `RequestError` for latents or embeddings of another shape than it computes with."""
        channels, width = self.config.in_channels, self.config.cross_attention_dim
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

    def _checked_guidance(self, guidance: Tensor | None, rows: int) -> Tensor | None:
        if guidance is None:
            return None
        width = self.config.guidance_dim
        if not width:
            raise RequestError(
                "this UNet does not take timestep_cond: it was not distilled under guidance"
            )
        if guidance.ndim != 2 or len(guidance) not in (1, rows) or guidance.shape[1] != width:
            raise RequestError(
                f"timestep_cond has shape {tuple(guidance.shape)}; this UNet takes "
                f"({rows}, {width})"
            )
        return guidance.to(self.compute_dtype)

    def _check_residuals(self, outputs: list[Tensor], residuals: list[Tensor]) -> None:
        wanted, given = [[tuple(each.shape) for each in some] for some in (outputs, residuals)]
        if wanted != given:
            raise RequestError(f"residuals have the shapes {given}; this UNet takes {wanted}")

    def _embedding(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        added: AddedConditioning | None,
        guidance: Tensor | None,
    ) -> Tensor:
        """The time embedding, after the SiLU that every residual block would apply to it."""
        timesteps = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        waves = sinusoidal_embedding(timesteps, self.config.block_out_channels[0])
        guidance = self._checked_guidance(guidance, len(sample))
        emb = cast(Tensor, self.time_embedding(waves.to(self.compute_dtype), guidance))
        if bool(self.config.added_time_dim) != (added is not None):
            need = "needs" if self.config.added_time_dim else "does not take"
            raise RequestError(f"this UNet {need} added_conditioning (pooled text and sizes)")
        if added is not None:
            sizes = sinusoidal_embedding(added.time_ids.flatten(), self.config.added_time_dim)
            sizes = sizes.to(self.compute_dtype).reshape(len(added.time_ids), -1)
            emb = emb + self.add_embedding(
                torch.cat([added.text_embeds.to(self.compute_dtype), sizes], dim=-1)
            )
        return F.silu(emb)


def _added(given: Mapping[str, Tensor]) -> AddedConditioning:
    if set(given) != set(AddedConditioning._fields):
        raise RequestError(
            f"added_cond_kwargs has {shown(sorted(given))}; it must have text_embeds and time_ids"
        )
    return AddedConditioning(**given)


def _joined(down: Sequence[Tensor] | None, middle: Tensor | None) -> tuple[Tensor, ...]:
    if down is None or middle is None:
        raise RequestError(
            "down_block_additional_residuals and mid_block_additional_residual go together"
        )
    return (*down, middle)


def _is_outer_projection(name: str) -> bool:
    return ".proj_in." in name or ".proj_out." in name
