"""What a UNet and a network that steers it share: the way in, the way down and the middle."""

from collections.abc import Mapping
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from kakusan.models.layers.basic import Conv2d
from kakusan.models.layers.time_embedding import TimestepEmbedding, sinusoidal_embedding
from kakusan.models.model import Model
from kakusan.models.names import as_convolution, as_linear
from kakusan.models.unet.config import UNetConfig
from kakusan.models.unet.inputs import AddedConditioning, check_added, check_guidance
from kakusan.models.unet.levels import Middle, down_levels

ConfigT = TypeVar("ConfigT", bound=UNetConfig)


class UNetEncoder(Model[ConfigT]):
    """Half a UNet under published names; who derives from it says what it computes.

    Attributes:
        skip_channels: of what the first convolution and each layer on the way down give.
    """

    def __init__(self, config: ConfigT) -> None:
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
        self.skip_channels = tuple(skips)

    @property
    def in_channels(self) -> int:
        """Channels of the latents."""
        return self.config.in_channels

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

    def _embedding(
        self,
        sample: Tensor,
        timestep: Tensor | float,
        given: AddedConditioning | None,
        guidance: Tensor | None,
    ) -> Tensor:
        """What each residual block is told, before the SiLU that it would apply to it."""
        check_added(self.config, given)
        dtype = self.compute_dtype
        timesteps = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        waves = sinusoidal_embedding(timesteps, self.config.block_out_channels[0])
        if guidance is not None:
            check_guidance(self.config, guidance, len(sample))
            guidance = guidance.to(dtype)
        emb = cast(Tensor, self.time_embedding(waves.to(dtype), guidance))
        if given is not None:
            sizes = sinusoidal_embedding(given.time_ids.flatten(), self.config.added_time_dim)
            sizes = sizes.to(dtype).reshape(len(given.time_ids), -1)
            emb = emb + self.add_embedding(torch.cat([given.text_embeds.to(dtype), sizes], dim=-1))
        return emb


def _is_outer_projection(name: str) -> bool:
    return ".proj_in." in name or ".proj_out." in name
