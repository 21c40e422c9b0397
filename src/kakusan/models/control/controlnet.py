"""ControlNet: a copy of the UNet's way down that tells the UNet what a picture says.

arXiv:2302.05543.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.checkpoints.own import CONTROLNET
from kakusan.checkpoints.single_file.control import ControlCheckpoint
from kakusan.errors import RequestError, kind_of
from kakusan.models.control.config import ControlNetConfig, check_hints
from kakusan.models.control.hint import HintEmbedding, checked_pictures, zero
from kakusan.models.familiar import refuse_later
from kakusan.models.layers.attention import TextContext
from kakusan.models.layers.basic import Conv2d
from kakusan.models.unet.encoder import UNetEncoder
from kakusan.models.unet.inputs import AddedConditioning, check_fits
from kakusan.models.unet.network import UNet2DConditionModel
from kakusan.models.unet.residuals import Residuals
from kakusan.results import named

# What the reference's call takes too; as None it means nothing
LATER = ("attention_mask", "class_labels", "cross_attention_kwargs", "timestep_cond")
ConfigT = TypeVar("ConfigT", bound=ControlNetConfig)


@named
class ControlNetOutput(NamedTuple):
    """What a ControlNet gives back.

    Attributes:
        down_block_res_samples: what is added to what the UNet's first convolution and each of its
            layers on the way down hand over to the way up.
        mid_block_res_sample: what is added to what its middle gives.
    """

    down_block_res_samples: list[Tensor]
    mid_block_res_sample: Tensor


class Steerer(UNetEncoder[ConfigT]):
    """What a ControlNet and a union of several share: all but how pictures enter."""

    def __init__(self, config: ConfigT) -> None:
        check_hints(config)
        super().__init__(config)
        self.controlnet_cond_embedding = HintEmbedding(config)
        self.controlnet_down_blocks = nn.ModuleList(
            zero(Conv2d(channels, channels, 1)) for channels in self.skip_channels
        )
        last = config.block_out_channels[-1]
        self.controlnet_mid_block = zero(Conv2d(last, last, 1))

    @property
    def outputs(self) -> int:
        """How many residuals it gives, with the middle's."""
        return len(self.skip_channels) + 1

    def embed(self, pictures: Tensor) -> Tensor:
        """What pictures (batch, 3, height, width) in [0, 1] come to, the same at every step.

        Returns:
            Shape (batch, channels, height / 8, width / 8).

        Raises:
            RequestError: They do not fit this network.
        """
        given = checked_pictures(pictures, self.config)
        self.prepare()
        return self.controlnet_cond_embedding(given.to(self.device, self.compute_dtype))

    @classmethod
    def from_unet(
        cls,
        unet: UNet2DConditionModel,
        controlnet_conditioning_channel_order: str = "rgb",
        conditioning_embedding_out_channels: Sequence[int] = (16, 32, 96, 256),
        load_weights_from_unet: bool = True,
        conditioning_channels: int = 3,
    ) -> Self:
        """A net to train: it begins as a copy of a UNet's way down, and adds nothing yet.

        Raises:
            RequestError: It is no UNet.
        """
        if not isinstance(unet, UNet2DConditionModel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(
                f"{cls.__name__}.from_unet takes a UNet2DConditionModel, not {kind_of(unet)}"
            )
        config = cls.config_class.of_unet(
            unet.config,
            channel_order=controlnet_conditioning_channel_order,
            hint_channels=tuple(conditioning_embedding_out_channels),
            picture_channels=conditioning_channels,
        )
        net = cls(config)
        if load_weights_from_unet:
            state = unet.state_dict()
            shared = {name: state[name] for name in net.state_dict() if name in state}
            net.load_state_dict(shared, strict=False)
        return net

    def _steered(self, x: Tensor, emb: Tensor, context: TextContext) -> Residuals:
        """What the net gives, of what its first convolution and the pictures give together."""
        emb = F.silu(emb)
        skips = [x]
        for down in self.down_blocks:
            skips += down(skips[-1], emb, context)
        middle = self.controlnet_mid_block(self.mid_block(skips[-1], emb, context))
        found = Residuals(
            tuple(
                conv(skip) for conv, skip in zip(self.controlnet_down_blocks, skips, strict=True)
            ),
            middle,
        )
        return found.map(_mean) if self.config.pools else found

    def _first_alone(self, x: Tensor) -> Residuals:
        """The residual of the first convolution, which is all that a UNet that reuses takes."""
        first = cast(Tensor, self.controlnet_down_blocks[0](x))
        return Residuals((_mean(first) if self.config.pools else first,))

    def _scaled(self, found: Residuals, scale: float, guess_mode: bool) -> ControlNetOutput:
        scales = [scale] * self.outputs
        if guess_mode and not self.config.pools:
            scales = [scale * each for each in guessing(self.outputs)]
        *skips, middle = (x * by for x, by in zip(found.tensors, scales, strict=True))
        return ControlNetOutput(skips, middle)


class ControlNetModel(Steerer[ControlNetConfig]):
    """Tells a UNet of Stable Diffusion 1, 2 or XL what one kind of picture says."""

    config_class = ControlNetConfig
    part_names = ("controlnet",)
    packaged = CONTROLNET
    checkpoint_class = ControlCheckpoint

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor | TextContext,
        controlnet_cond: Tensor,
        conditioning_scale: float = 1.0,
        *,
        added_conditioning: AddedConditioning | None = None,
        guess_mode: bool = False,
        return_dict: bool = True,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        **later: object,
    ) -> ControlNetOutput | tuple[list[Tensor], Tensor]:
        """What is to be added within the UNet.

        Args:
            sample: noisy latents, shape (batch, in_channels, height, width).
            timestep: one for all, or shape (batch,).
            encoder_hidden_states: text embeddings, shape (batch, tokens, cross_attention_dim).
            controlnet_cond: pictures, shape (batch, 3, 8 * height, 8 * width), in [0, 1].
            conditioning_scale: multiplies all that is given.
            added_conditioning: SDXL only.
            guess_mode: Weighs what lies finer less, down to a tenth.
            return_dict: False gives a plain tuple.
            added_cond_kwargs: `added_conditioning` as the reference takes it.
            later: what else the reference takes, as long as it is None.

        Raises:
            RequestError: A tensor does not fit this network.
            NotYetError: one of `later` has a value.
            UnknownArgumentError: an argument that does not exist.
        """
        refuse_later("the ControlNet", later, LATER)
        if added_cond_kwargs:
            added_conditioning = AddedConditioning.of_reference(added_cond_kwargs)
        context = encoder_hidden_states
        if isinstance(context, Tensor):
            context = TextContext(context)
        hint = self.embed(controlnet_cond)
        found = self.residuals(sample, timestep, context, hint, added_conditioning)
        output = self._scaled(found, conditioning_scale, guess_mode)
        return output if return_dict else (output[0], output[1])

    def residuals(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        context: TextContext,
        hint: Tensor,
        added: AddedConditioning | None = None,
        *,
        first_alone: bool = False,
    ) -> Residuals:
        """What is to be added within the UNet, unscaled.

        Args:
            hint: what `embed` gave, a row for each of `sample`, or one for all.
            first_alone: whether only the residual of the first convolution is wanted.
        """
        check_fits(self.config, sample, context)
        self.prepare()
        check_hint(hint, sample)
        x = self.conv_in(sample.to(self.compute_dtype)) + hint.to(self.compute_dtype)
        if first_alone:
            return self._first_alone(x)
        return self._steered(x, self._embedding(sample, timestep, added, None), context)


def guessing(outputs: int) -> list[float]:
    """What each residual is multiplied by in guess mode: from a tenth to 1, the middle by 1."""
    return torch.logspace(-1, 0, outputs).tolist()


def check_hint(hint: Tensor, sample: Tensor) -> None:
    """Raise RequestError where an embedded picture does not go with latents."""
    rows = len(hint) in (1, len(sample))
    if not rows or hint.shape[-2:] != sample.shape[-2:]:
        raise RequestError(
            f"the control picture, embedded, has shape {tuple(hint.shape)}, and the latents have "
            f"{tuple(sample.shape)}: it must have as many rows, and 8 times their height and width "
            "in pixels"
        )


def _mean(x: Tensor) -> Tensor:
    return x.mean(dim=(2, 3), keepdim=True)
