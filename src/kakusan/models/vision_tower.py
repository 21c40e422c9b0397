"""CLIP's picture tower: pixels in, the states of all layers out. arXiv:2103.00020, section 2.4."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from kakusan.models.layers.basic import LayerNorm
from kakusan.models.layers.clip import ClipEncoder
from kakusan.models.vision_config import VisionConfig


class VisionStates(NamedTuple):
    """What a tower computes.

    Attributes:
        pooled: the class token's last state, normalised, shape (batch, hidden_size).
        hidden: the states before the first and after each layer, not normalised, each (batch,
            patches + 1, hidden_size).
    """

    pooled: Tensor
    hidden: tuple[Tensor, ...]


class PatchEmbeddings(nn.Module):
    """A class token and a token for each patch, with position embeddings."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        width, patch = config.hidden_size, config.patch_size
        tokens = (config.image_size // patch) ** 2 + 1
        self.class_embedding = nn.Parameter(torch.empty(width))
        self.patch_embedding = nn.Conv2d(3, width, patch, stride=patch, bias=False)
        self.position_embedding = nn.Embedding(tokens, width)
        nn.init.normal_(self.class_embedding, std=width**-0.5)
        nn.init.normal_(self.position_embedding.weight, std=0.02)

    def forward(self, pixels: Tensor) -> Tensor:
        patches = self.patch_embedding(pixels).flatten(2).transpose(1, 2)  # (b, n, c)
        first = self.class_embedding.expand(len(pixels), 1, -1)
        return torch.cat([first, patches], dim=1) + self.position_embedding.weight


class VisionTower(nn.Module):
    """CLIP's picture tower."""

    def __init__(self, config: VisionConfig) -> None:
        super().__init__()
        self.embeddings = PatchEmbeddings(config)
        # misspelt in all published files
        self.pre_layrnorm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.encoder = ClipEncoder(
            config.num_hidden_layers,
            config.hidden_size,
            config.intermediate_size,
            config.num_attention_heads,
            activation=config.hidden_act,
            eps=config.layer_norm_eps,
        )
        self.post_layernorm = LayerNorm(config.hidden_size, eps=config.layer_norm_eps)

    def forward(self, pixels: Tensor) -> VisionStates:
        """The states of pictures (batch, 3, image_size, image_size)."""
        states = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        return VisionStates(self.post_layernorm(states[-1][:, 0]), tuple(states))
