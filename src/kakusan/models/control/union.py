"""One ControlNet for several kinds of pictures, alone or together, as xinsir's of SDXL.

Its files hold what is added to a ControlNet: an embedding of each kind, a transformer that weighs
the pictures against each other, and whether each kind is there beside the timestep.
"""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from kakusan.checkpoints.single_file.control import UnionCheckpoint
from kakusan.errors import RequestError, shown
from kakusan.models.control.controlnet import ControlNetOutput, Steerer, check_hint
from kakusan.models.control.union_config import ControlUnionConfig
from kakusan.models.familiar import refuse_later
from kakusan.models.layers.attention import TextContext
from kakusan.models.layers.basic import LayerNorm, Linear
from kakusan.models.layers.time_embedding import TimestepEmbedding, sinusoidal_embedding
from kakusan.models.unet.inputs import AddedConditioning, check_fits
from kakusan.models.unet.residuals import Residuals
from kakusan.runtime import kernels

LATER = ("attention_mask", "class_labels", "cross_attention_kwargs", "timestep_cond")


class FusionBlock(nn.Module):
    """Attention and a pointwise network; CLIP's block.

    As it was trained, each token attends to the same token of the other pictures of a batch, and
    not to the other tokens of its picture: (batch, tokens, width) went into what reads (tokens,
    batch, width). Of one picture it is its own value alone.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attn = _Attention(width, heads)
        self.ln_1 = LayerNorm(width)
        self.mlp = _Pointwise(width)
        self.ln_2 = LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        return x + self.mlp(self.ln_2(x))


class _Attention(nn.Module):
    """Its three projections are one tensor, as torch's own has them, and files."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = Linear(width, width)
        nn.init.normal_(self.in_proj_weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.in_proj_weight.to(x.dtype), self.in_proj_bias.to(x.dtype)
        seen = nn.functional.linear(x.transpose(0, 1), weight, bias)
        q, k, v = (each.contiguous() for each in seen.chunk(3, dim=-1))
        return self.out_proj(kernels.attention(q, k, v, self.heads).transpose(0, 1).contiguous())


class _Pointwise(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = Linear(width, 4 * width)
        self.c_proj = Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c_fc(x)
        return self.c_proj(h * torch.sigmoid(1.702 * h))


class ControlNetUnionModel(Steerer[ControlUnionConfig]):
    """Tells a UNet of SDXL what pictures of several kinds say."""

    config_class = ControlUnionConfig
    part_names = ("controlnet",)
    checkpoint_class = UnionCheckpoint

    def __init__(self, config: ControlUnionConfig) -> None:
        super().__init__(config)
        width = config.block_out_channels[0]
        self.task_embedding = nn.Parameter(width**0.5 * torch.randn(config.kinds, width))
        self.transformer_layes = nn.ModuleList(  # as published
            FusionBlock(width, config.fusion_heads) for _ in range(config.fusion_layers)
        )
        self.spatial_ch_projs = Linear(width, width)
        with torch.no_grad():
            for parameter in self.spatial_ch_projs.parameters():
                parameter.zero_()
        self.control_add_embedding = TimestepEmbedding(config.type_dim * config.kinds, 4 * width)

    def forward(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        encoder_hidden_states: Tensor | TextContext,
        controlnet_cond: Sequence[Tensor],
        control_type: Tensor,
        control_type_idx: Sequence[int],
        conditioning_scale: float | Sequence[float] = 1.0,
        *,
        added_conditioning: AddedConditioning | None = None,
        from_multi: bool = False,
        guess_mode: bool = False,
        return_dict: bool = True,
        added_cond_kwargs: Mapping[str, Tensor] | None = None,
        **later: object,
    ) -> ControlNetOutput | tuple[list[Tensor], Tensor]:
        """What is to be added within the UNet; see `ControlNetModel.forward`.

        Args:
            controlnet_cond: of each kind that is there the pictures.
            control_type: 1 for the kinds that are there, else 0; shape (batch, kinds).
            control_type_idx: the numbers of the kinds.
            conditioning_scale: of each picture; of a single one it multiplies what is given.
            from_multi: whether a single scale multiplies what is given, however many pictures.

        Raises:
            RequestError: A tensor does not fit this network.
        """
        refuse_later("the ControlNet", later, LATER)
        if added_cond_kwargs:
            added_conditioning = AddedConditioning.of_reference(added_cond_kwargs)
        context = encoder_hidden_states
        if isinstance(context, Tensor):
            context = TextContext(context)
        count = len(control_type_idx)
        one = isinstance(conditioning_scale, int | float)
        scales = [float(conditioning_scale)] * count if one else [*conditioning_scale]
        whole = from_multi or count == 1
        hints = [self.embed(each) for each in controlnet_cond]
        found = self.residuals(
            sample,
            timestep,
            context,
            hints,
            added_conditioning,
            kinds=control_type_idx,
            told=control_type,
            scales=[1.0] * count if whole else scales,
        )
        output = self._scaled(found, scales[0] if whole else 1.0, guess_mode)
        return output if return_dict else (output[0], output[1])

    def residuals(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        context: TextContext,
        hints: Sequence[Tensor],
        added: AddedConditioning | None = None,
        *,
        kinds: Sequence[int],
        told: Tensor | None = None,
        scales: Sequence[float] = (),
        sizes: Sequence[int] = (),
        first_alone: bool = False,
    ) -> Residuals:
        """What is to be added within the UNet, unscaled; see `ControlNetModel.residuals`.

        Args:
            hints: what `embed` gave of each picture.
            kinds: what each picture is of.
            told: which kinds the network is told are there, (batch, kinds); those of `kinds`
                where not given.
            scales: of each picture; all 1 where not given.
            sizes: how many rows belong together, one after the other; all where not given.
        """
        check_fits(self.config, sample, context)
        self._check_kinds(kinds, hints)
        self.prepare()
        for hint in hints:
            check_hint(hint, sample)
        x = self.conv_in(sample.to(self.compute_dtype))
        x = x + self._fused(x, hints, kinds, scales or [1.0] * len(hints), sizes or [len(x)])
        if first_alone:
            return self._first_alone(x)
        emb = self._embedding(sample, timestep, added, None) + self._told(told, kinds, len(sample))
        return self._steered(x, emb, context)

    def _fused(
        self,
        x: Tensor,
        hints: Sequence[Tensor],
        kinds: Sequence[int],
        scales: Sequence[float],
        sizes: Sequence[int],
    ) -> Tensor:
        """What the pictures add to what the first convolution gives of the latents."""
        tasks = self.task_embedding.to(x.dtype)
        pictures = [hint.to(x.dtype).expand_as(x) for hint in hints]
        tokens = [
            (picture.mean(dim=(2, 3)) + tasks[kind]) * scale
            for picture, kind, scale in zip(pictures, kinds, scales, strict=True)
        ]
        seen = torch.stack([*tokens, x.mean(dim=(2, 3))], dim=1)
        seen = torch.cat([self._weighed(rows) for rows in seen.split([*sizes])])
        fused = torch.zeros_like(x)
        for index, (picture, scale) in enumerate(zip(pictures, scales, strict=True)):
            alpha = cast(Tensor, self.spatial_ch_projs(seen[:, index]))
            fused = fused + (picture + alpha[:, :, None, None]) * scale
        return fused

    def _weighed(self, tokens: Tensor) -> Tensor:
        for layer in self.transformer_layes:
            tokens = layer(tokens)
        return tokens

    def _told(self, told: Tensor | None, kinds: Sequence[int], rows: int) -> Tensor:
        if told is None:
            told = torch.zeros(1, self.config.kinds, device=self.device)
            told[:, list(kinds)] = 1.0
        waves = sinusoidal_embedding(told.flatten(), self.config.type_dim)
        waves = waves.reshape(len(told), -1).to(self.compute_dtype).expand(rows, -1)
        return cast(Tensor, self.control_add_embedding(waves))

    def _check_kinds(self, kinds: Sequence[int], hints: Sequence[Tensor]) -> None:
        known = range(self.config.kinds)
        if len(kinds) != len(hints) or not kinds or any(kind not in known for kind in kinds):
            raise RequestError(
                f"control_mode is {shown([*kinds])} for {len(hints)} pictures; give as many, each "
                f"a number from 0 to {self.config.kinds - 1}"
            )
