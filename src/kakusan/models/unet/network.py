"""The UNet: predicts the noise in latents from their noise level and a text."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.errors import RequestError, shown
from kakusan.models.familiar import refuse_later
from kakusan.models.layers.attention import TextContext, TransformerBlock
from kakusan.models.layers.basic import Conv2d, GroupNorm
from kakusan.models.unet.config import UNetConfig
from kakusan.models.unet.deep_feature import DeepFeature
from kakusan.models.unet.encoder import UNetEncoder
from kakusan.models.unet.freeu import FreeU, Weights
from kakusan.models.unet.inputs import AddedConditioning, check_fits
from kakusan.models.unet.levels import NORM_EPS, UpLevel, up_levels
from kakusan.models.unet.residuals import Residuals, added
from kakusan.results import named

# What the reference's call takes too; as None it means nothing.
LATER = ("attention_mask", "class_labels", "cross_attention_kwargs", "encoder_attention_mask")


@named
class UNetOutput(NamedTuple):
    """What the UNet gives back.

    Attributes:
        sample: the prediction, shape (batch, out_channels, height, width).
    """

    sample: Tensor


class UNet2DConditionModel(UNetEncoder[UNetConfig]):
    """The denoising network of Stable Diffusion 1, 2 and XL. arXiv:2112.10752, section 3.3.

    Attributes:
        freeu: weighs what its way up is made of where a call does not say otherwise; None is off.
    """

    config_class = UNetConfig
    part_names = ("unet",)

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.freeu: FreeU | None = None
        width = config.block_out_channels[0]
        self.up_blocks = nn.ModuleList(up_levels(config, [*self.skip_channels]))
        self.conv_norm_out = GroupNorm(config.norm_num_groups, width, eps=NORM_EPS, silu=True)
        self.conv_out = Conv2d(width, config.out_channels, 3, padding=1)
        for name, module in self.named_modules():
            if isinstance(module, TransformerBlock):
                module.name = name

    @property
    def text_attentions(self) -> dict[str, int]:
        """The names of what attends to the text, and how wide it is.

        In the order in which IP-Adapter's files number them: the way down, the way up, the middle.
        """
        ways = ("down_blocks.", "up_blocks.", "mid_block.")
        blocks = [each for each in self.modules() if isinstance(each, TransformerBlock)]
        return {
            block.name: block.attn2.to_q.out_features
            for way in ways
            for block in blocks
            if block.name.startswith(way)
        }

    def enable_freeu(self, s1: float, s2: float, b1: float, b2: float) -> None:
        """Weigh what the two coarsest levels on the way up are made of (arXiv:2309.11497).

        Args:
            s1, s2: of the lowest frequencies from the way down, 0.9 and 0.2 as a rule.
            b1, b2: of half of the channels from below, 1.5 and 1.6, or 1.3 and 1.4 for SDXL.

        Raises:
            RequestError: One is no finite number.
        """
        weights = (b1, b2, s1, s2)
        if not all(isinstance(each, int | float) and math.isfinite(each) for each in weights):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(
                f"FreeU's weights must be finite numbers, not s1={shown(s1)}, s2={shown(s2)}, "
                f"b1={shown(b1)}, b2={shown(b2)}"
            )
        self.freeu = FreeU(*weights)

    def disable_freeu(self) -> None:
        """Draw without FreeU again."""
        self.freeu = None

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor | TextContext,
        added_conditioning: AddedConditioning | None = None,
        *,
        residuals: Residuals | None = None,
        deep: DeepFeature | None = None,
        freeu: FreeU | None = None,
        return_dict: bool = True,
        timestep_cond: Tensor | None = None,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        down_block_additional_residuals: Sequence[Tensor] | None = None,
        mid_block_additional_residual: Tensor | None = None,
        down_intrablock_additional_residuals: Sequence[Tensor] | None = None,
        **later: object,
    ) -> UNetOutput | tuple[Tensor]:
        """Predict the noise (or the velocity, or the picture: the checkpoint decides) in latents.

        Args:
            sample: noisy latents, shape (batch, in_channels, height, width).
            timestep: one for all, or shape (batch,); may be fractional.
            encoder_hidden_states: text embeddings, shape (batch, tokens, cross_attention_dim). The
                same `TextContext` of them at every step saves what does not change.
            added_conditioning: SDXL only.
            residuals: what ControlNets and T2I-Adapters add.
            deep: stores what most of the work goes into, for a later call to take as it is.
            freeu: weighs what enters the two coarsest levels on the way up; as `enable_freeu` says
                where not given.
            return_dict: False gives a plain tuple.
            timestep_cond: networks distilled under guidance (LCM) only: its embedding, see
                `guidance_embedding`, shape (batch or 1, guidance_dim).
            added_cond_kwargs: `added_conditioning` as the reference takes it.
            down_block_additional_residuals, mid_block_additional_residual: a ControlNet's
                `residuals` likewise: those of the skips, and the one of the middle.
            down_intrablock_additional_residuals: a T2I-Adapter's, the features.
            later: what else the reference takes, as long as it is None.

        Returns:
            The prediction in the dtype of `sample`.

        Raises:
            RequestError: a tensor does not fit this network.
            NotYetError: one of `later` has a value.
            UnknownArgumentError: an argument that does not exist.
        """
        refuse_later("the UNet", later, LATER)
        freeu = self.freeu if freeu is None else freeu
        check_fits(self.config, sample, encoder_hidden_states)
        if added_cond_kwargs:
            added_conditioning = AddedConditioning.of_reference(added_cond_kwargs)
        down, middle = down_block_additional_residuals, mid_block_additional_residual
        features = down_intrablock_additional_residuals
        if not (down is None and middle is None and features is None):
            given = Residuals.of_reference(down, middle, features)
            residuals = given if residuals is None else residuals.plus(given)
        self.prepare()
        context = encoder_hidden_states
        if isinstance(context, Tensor):
            context = TextContext(context)
        emb = F.silu(self._embedding(sample, timestep, added_conditioning, timestep_cond))
        x = self.conv_in(sample.to(self.compute_dtype))
        skips: list[Tensor] = [x]
        if deep is None or deep.tensor is None:
            x = self._deep(skips, emb, context, residuals, freeu)
        else:  # the residuals of what lies deeper are in it
            x = deep.tensor.to(x.dtype)
            if residuals is not None and residuals.skips:
                skips = [added(skips[0], residuals.skips[0])]
        if deep is not None:
            deep.tensor = x
        x = self._finest.last(x, skips, emb, context, self._weights(freeu, -1))
        x = self.conv_out(self.conv_norm_out(x)).to(sample.dtype)
        return UNetOutput(x) if return_dict else (x,)

    @property
    def _finest(self) -> UpLevel:
        return cast(UpLevel, self.up_blocks[-1])

    def _weights(self, freeu: FreeU | None, stage: int) -> Weights | None:
        """FreeU's of a level on the way up."""
        return None if freeu is None else freeu.at(range(len(self.up_blocks))[stage])

    def _deep(
        self,
        skips: list[Tensor],
        emb: Tensor,
        context: TextContext,
        residuals: Residuals | None,
        freeu: FreeU | None,
    ) -> Tensor:
        """What the last layer takes; `skips` holds the first convolution, and holds it after."""
        features = iter(() if residuals is None else residuals.features)
        for down in self.down_blocks:
            skips += down(skips[-1], emb, context, next(features, None))
        x = self.mid_block(skips[-1], emb, context)
        if residuals is not None:
            residuals.check_fits(len(self.down_blocks), has_middle=self.config.middle_resnets > 0)
            skips[:] = residuals.on_skips(skips)
            x = added(added(x, next(features, None)), residuals.middle)
        for stage, up in enumerate(self.up_blocks[:-1]):
            x = up(x, skips, emb, context, self._weights(freeu, stage))
        return self._finest.but_last(x, skips, emb, context, self._weights(freeu, -1))
