"""Attention and the transformer that the UNet puts between its convolutions."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from kakusan.models.checkpointed import Checkpointed
from kakusan.models.image_tokens import ImageTokens, keys_values
from kakusan.models.layers.basic import GroupNorm, LayerNorm, Linear
from kakusan.runtime import kernels
from kakusan.runtime.kernels import attention as attend

KeysValues = tuple[Tensor, Tensor]


def as_tokens(x: Tensor) -> Tensor:
    """(batch, channels, height, width) -> (batch, height * width, channels)."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def as_picture(tokens: Tensor, like: Tensor) -> Tensor:
    """(batch, height * width, channels) -> (batch, channels, height, width), laid out as `like`."""
    picture = tokens.unflatten(1, tuple(like.shape[-2:])).permute(0, 3, 1, 2)
    return picture.contiguous() if like.is_contiguous() else picture


class Attention(nn.Module):
    """Attention of `x` to itself, or to a context of another width."""

    def __init__(self, width: int, num_heads: int, *, context_width: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_q = Linear(width, width, bias=False)
        self.to_k = Linear(context_width, width, bias=False)
        self.to_v = Linear(context_width, width, bias=False)
        self.to_out = nn.ModuleList([Linear(width, width)])  # published as to_out.0

    def keys_values(self, context: Tensor) -> KeysValues:
        """What `context` (batch, tokens, context_width) is attended to by, each (…, width)."""
        return self.to_k(context), self.to_v(context)

    def forward(
        self,
        x: Tensor,
        contexts: Sequence[KeysValues],
        residual: Tensor,
        images: Sequence[KeysValues] = (),
    ) -> Tensor:
        """Attend each row of `x` (batch, positions, width) to its row among all of `contexts`.

        Args:
            images: what all rows attend to besides, each on its own.
        """
        queries = self.to_q(x)
        sizes = [len(keys) for keys, _ in contexts]
        parts = [queries] if len(sizes) == 1 else queries.split(sizes)
        out = [
            attend(q, keys, values, self.num_heads)
            for q, (keys, values) in zip(parts, contexts, strict=True)
        ]
        seen = out[0] if len(out) == 1 else torch.cat(out)
        for keys, values in images:
            seen = seen + attend(queries, keys, values, self.num_heads)
        return self.to_out[0](seen, residual)


class TextContext:
    """Text embeddings, and the keys and values that each attention has made of them.

    They are the same at every step of a run, so a run that shows one context at every step computes
    keys and values once.

    Args:
        embeddings: (batch, tokens, width); several, one batch after the other, where the texts of
            rows have different lengths.
        images: pictures that rows attend to besides: for each adapter those of some rows, one after
            the other.
    """

    def __init__(self, *embeddings: Tensor, images: Sequence[Sequence[ImageTokens]] = ()) -> None:
        self.embeddings, self.images = embeddings, images
        self._in_dtype: dict[torch.dtype, list[Tensor]] = {}
        self._keys_values: dict[Attention, list[KeysValues]] = {}
        self._of_images: dict[tuple[str, torch.dtype], list[KeysValues]] = {}

    def afresh(self) -> "TextContext":
        """The same with keys and values yet to be computed."""
        return TextContext(*self.embeddings, images=self.images)

    def keys_values(self, attention: Attention, dtype: torch.dtype) -> list[KeysValues]:
        """Those of `attention`, in the dtype that the network computes in."""
        if dtype not in self._in_dtype:
            self._in_dtype[dtype] = [part.to(dtype) for part in self.embeddings]
        if attention not in self._keys_values:
            parts = self._in_dtype[dtype]
            self._keys_values[attention] = [attention.keys_values(part) for part in parts]
        return self._keys_values[attention]

    def of_images(self, name: str, dtype: torch.dtype) -> Sequence[KeysValues]:
        """What the attention to the text of this name attends to besides."""
        if not self.images:
            return ()
        if (name, dtype) not in self._of_images:
            found = (keys_values(parts, name, dtype) for parts in self.images)
            self._of_images[name, dtype] = [each for each in found if each is not None]
        return self._of_images[name, dtype]


class GEGLU(nn.Module):
    """A linear layer, half of whose output gates the other half. arXiv:2002.05202."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.proj = Linear(in_width, 2 * out_width)

    def forward(self, x: Tensor) -> Tensor:
        return kernels.geglu(x, self.proj.weight, self.proj.bias)


class FeedForward(nn.Module):
    """The transformer's pointwise network, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # the published numbering counts a dropout at index 1
        self.net = nn.Sequential(GEGLU(width, 4 * width), nn.Identity(), Linear(4 * width, width))

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        return self.net[2](self.net[0](x), residual)


class TransformerBlock(nn.Module):
    """Attention to the picture, attention to the text, and a pointwise network.

    Attributes:
        name: in its network, by which adapters know its attention to the text; "" has none.
    """

    def __init__(self, width: int, num_heads: int, *, context_width: int) -> None:
        super().__init__()
        self.norm1 = LayerNorm(width)
        self.attn1 = Attention(width, num_heads, context_width=width)
        self.norm2 = LayerNorm(width)
        self.attn2 = Attention(width, num_heads, context_width=context_width)
        self.norm3 = LayerNorm(width)
        self.ff = FeedForward(width)
        self.name = ""

    def forward(self, x: Tensor, context: TextContext) -> Tensor:
        normed = self.norm1(x)
        x = self.attn1(normed, [self.attn1.keys_values(normed)], residual=x)
        texts, images = (
            context.keys_values(self.attn2, x.dtype),
            context.of_images(self.name, x.dtype),
        )
        x = self.attn2(self.norm2(x), texts, residual=x, images=images)
        return self.ff(self.norm3(x), residual=x)


class SpatialTransformer(Checkpointed):
    """Transformer blocks over the positions of a feature map, around a skip connection.

    The projections are linear layers; a checkpoint may hold them as 1x1 convolutions, which is the
    same arithmetic.
    """

    def __init__(
        self, channels: int, num_heads: int, *, depth: int, context_width: int, groups: int
    ) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(channels, num_heads, context_width=context_width) for _ in range(depth)
        )
        self.proj_out = Linear(channels, channels)

    def forward(self, x: Tensor, context: TextContext) -> Tensor:
        """Shape (batch, channels, height, width) in and out."""
        if self.gradient_checkpointing:  # keys and values are computed again with the rest
            context = context.afresh()
        tokens = self.proj_in(as_tokens(self.norm(x)))
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        return as_picture(self.proj_out(tokens, as_tokens(x)), like=x)


class PictureAttention(nn.Module):
    """One-head attention over the positions of a feature map: the VAE's middle."""

    def __init__(self, channels: int, *, groups: int, eps: float) -> None:
        super().__init__()
        self.group_norm = GroupNorm(groups, channels, eps=eps)
        self.to_q = Linear(channels, channels)
        self.to_k = Linear(channels, channels)
        self.to_v = Linear(channels, channels)
        self.to_out = nn.ModuleList([Linear(channels, channels)])  # published as to_out.0

    def forward(self, x: Tensor) -> Tensor:
        tokens = as_tokens(self.group_norm(x))
        out = attend(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens), num_heads=1)
        return as_picture(self.to_out[0](out, as_tokens(x)), like=x)
