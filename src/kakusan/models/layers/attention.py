"""Attention and the transformer that the UNet puts between its convolutions."""

from torch import Tensor, nn
from torch.nn import functional as F


def attend(q: Tensor, k: Tensor, v: Tensor, num_heads: int, mask: Tensor | None = None) -> Tensor:
    """Multi-head scaled dot-product attention of projected tokens.

    Args:
        q: shape (batch, queries, width).
        k: shape (batch, keys, width).
        v: shape (batch, keys, width).
        num_heads: heads that the width is split into.
        mask: added to the scores, shape broadcastable to (batch, heads, queries, keys).

    Returns:
        Shape (batch, queries, width).
    """
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (q, k, v))  # (b, h, n, d)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Attention of `x` to itself, or to a context of another width."""

    def __init__(self, width: int, num_heads: int, *, context_width: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k = nn.Linear(context_width, width, bias=False)
        self.to_v = nn.Linear(context_width, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])  # published as to_out.0

    def keys_values(self, context: Tensor) -> tuple[Tensor, Tensor]:
        """What `context` (batch, tokens, context_width) is attended to by, each (…, width)."""
        return self.to_k(context), self.to_v(context)

    def forward(self, x: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        return self.to_out[0](attend(self.to_q(x), keys, values, self.num_heads))


class TextContext:
    """Text embeddings (batch, tokens, width), and what each attention has made of them.

    They are the same at every step of a run, and so are the keys and values: a run that shows one
    context at every step computes these once.
    """

    def __init__(self, embeddings: Tensor) -> None:
        self.embeddings = embeddings
        self._keys_values: dict[Attention, tuple[Tensor, Tensor]] = {}

    def keys_values(self, attention: Attention) -> tuple[Tensor, Tensor]:
        """Those of `attention`, in the dtype of its weights."""
        if attention not in self._keys_values:
            embeddings = self.embeddings.to(attention.to_k.weight.dtype)
            self._keys_values[attention] = attention.keys_values(embeddings)
        return self._keys_values[attention]


class GEGLU(nn.Module):
    """A linear layer, half of whose output gates the other half. arXiv:2002.05202."""

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_width, 2 * out_width)

    def forward(self, x: Tensor) -> Tensor:
        x, gate = self.proj(x).chunk(2, dim=-1)
        return x * F.gelu(gate)


class FeedForward(nn.Module):
    """The transformer's pointwise network, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # the published numbering counts a dropout at index 1
        self.net = nn.Sequential(
            GEGLU(width, 4 * width), nn.Identity(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class TransformerBlock(nn.Module):
    """Attention to the picture, attention to the text, and a pointwise network."""

    def __init__(self, width: int, num_heads: int, *, context_width: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn1 = Attention(width, num_heads, context_width=width)
        self.norm2 = nn.LayerNorm(width)
        self.attn2 = Attention(width, num_heads, context_width=context_width)
        self.norm3 = nn.LayerNorm(width)
        self.ff = FeedForward(width)

    def forward(self, x: Tensor, context: TextContext) -> Tensor:
        normed = self.norm1(x)
        x = self.attn1(normed, *self.attn1.keys_values(normed)) + x
        x = self.attn2(self.norm2(x), *context.keys_values(self.attn2)) + x
        return self.ff(self.norm3(x)) + x


class SpatialTransformer(nn.Module):
    """Transformer blocks over the positions of a feature map, around a skip connection.

    The projections are linear layers; a checkpoint may hold them as 1x1 convolutions, which is the
    same arithmetic.
    """

    def __init__(
        self, channels: int, num_heads: int, *, depth: int, context_width: int, groups: int
    ) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(channels, num_heads, context_width=context_width) for _ in range(depth)
        )
        self.proj_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor, context: TextContext) -> Tensor:
        """Shape (batch, channels, height, width) in and out."""
        height, width = x.shape[-2:]
        tokens = self.proj_in(self.norm(x).permute(0, 2, 3, 1).flatten(1, 2))  # (b, h*w, c)
        for block in self.transformer_blocks:
            tokens = block(tokens, context)
        out = self.proj_out(tokens).unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return x + out  # the sum has the memory format of its first part


class PictureAttention(nn.Module):
    """One-head attention over the positions of a feature map: the VAE's middle."""

    def __init__(self, channels: int, *, groups: int, eps: float) -> None:
        super().__init__()
        self.group_norm = nn.GroupNorm(groups, channels, eps=eps)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.ModuleList([nn.Linear(channels, channels)])  # published as to_out.0

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        tokens = self.group_norm(x).permute(0, 2, 3, 1).flatten(1, 2)  # (b, h*w, c)
        out = attend(self.to_q(tokens), self.to_k(tokens), self.to_v(tokens), num_heads=1)
        out = self.to_out[0](out).unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return x + out  # the sum has the memory format of its first part
