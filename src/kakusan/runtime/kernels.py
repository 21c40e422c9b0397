"""The operations that networks spend their time in, by the fastest means at hand.

On a CPU and without gradients, float32 activations go through the package's own kernels. They take
weights in float32, float16 or bfloat16 as they are kept, so half-precision weights need no widened
copy. Everything else, and every machine without the kernels, takes torch's way to the same result.

Pictures are (batch, channels, height, width) with channels last in memory where kernels made them.
"""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.runtime.arena import empty
from kakusan.runtime.native.library import loaded

WEIGHT_TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
# Below this many tiles of 4x4, transforming the weights costs more than the products it saves
WINOGRAD_TILES = 6

GATED_DEPTH = 2560  # values of k that a gated layer can sum at once
PLAIN = (Tensor, nn.Parameter)  # others, such as quantised ones, have no memory that can be read
ATTENTION = {torch.float32: "attention_f32", torch.bfloat16: "attention_bf16"}

Argument = Tensor | int | float | None


def available() -> bool:
    """Whether this process has kernels of its own."""
    return loaded() is not None


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Tensor:
    """`x` times `weight` transposed, plus `bias`, plus `residual`.

    Args:
        x: shape (..., in).
        weight: shape (out, in), in any dtype of `WEIGHT_TYPES`.
        bias: shape (out,).
        residual: shape (..., out).
    """
    shape = (*x.shape[:-1], len(weight))
    fits = x.shape[-1] == weight.shape[1] and (residual is None or residual.shape == shape)
    if not (fits and _own(x, weight, bias, residual)):
        out = F.linear(x, weight.to(x.dtype), bias)
        return out if residual is None else out + residual
    out = empty(*shape)
    x, depth = x.contiguous(), x.shape[-1]
    residual = None if residual is None else residual.contiguous()
    rows = x.numel() // depth
    _call(
        "linear",
        (x, depth, rows, depth, *_kept(weight), len(weight), bias, residual),
        out,
    )
    return out


def geglu(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """A linear layer whose second half of outputs gates the first by GELU. arXiv:2002.05202.

    Args:
        x: shape (..., in).
        weight: shape (2 * out, in).
        bias: shape (2 * out,).

    Returns:
        Shape (..., out).
    """
    fits = x.shape[-1] == weight.shape[1] <= GATED_DEPTH
    if not (fits and _own(x, weight, bias)):
        value, gate = F.linear(x, weight.to(x.dtype), bias).chunk(2, dim=-1)
        return value * F.gelu(gate)
    out = empty(*x.shape[:-1], len(weight) // 2)
    x, depth = x.contiguous(), x.shape[-1]
    _call(
        "geglu",
        (x, depth, x.numel() // depth, depth, *_kept(weight), out.shape[-1], bias),
        out,
    )
    return out


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    *,
    stride: int,
    padding: int,
    enlarge: int = 1,
    sample: Tensor | None = None,
    residual: Tensor | None = None,
) -> Tensor:
    """A convolution with a square kernel of 1 or 3, and what is added to its result.

    Args:
        x: shape (batch, in, height, width).
        weight: shape (out, in, side, side), in any dtype of `WEIGHT_TYPES`.
        bias: shape (out,).
        stride: of both directions.
        padding: zeros on all four sides.
        enlarge: how many times every pixel is repeated in both directions before.
        sample: added at every position, shape (batch, out).
        residual: added, shaped as the result.
    """
    side = weight.shape[-1]
    size = [(enlarge * n + 2 * padding - side) // stride + 1 for n in x.shape[-2:]]
    fits = x.ndim == 4 and x.shape[1] == weight.shape[1] and side in (1, 3)
    fits = fits and (sample is None or sample.shape == (len(x), len(weight)))
    fits = fits and (residual is None or residual.shape == (len(x), len(weight), *size))
    if not (fits and _own(x, weight, bias, sample, residual)):
        out = F.conv2d(_enlarged(x, enlarge), weight.to(x.dtype), bias, stride, padding)
        out = out if sample is None else out + sample[:, :, None, None]
        return out if residual is None else residual + out
    batch, channels, height, width = x.shape
    height, width = enlarge * height, enlarge * width
    out = empty(batch, *size, len(weight))
    kept = (*_kept(weight), len(weight))
    added = (bias, None if sample is None else sample.contiguous(), _last(residual))
    tiles = batch * -(-size[0] // 4) * -(-size[1] // 4)
    if (side, stride, padding) == (3, 1, 1) and (tiles >= WINOGRAD_TILES) and channels % 16 == 0:
        _call("winograd", (_last(x), batch, height, width, channels, enlarge, *kept, *added), out)
    else:
        x = _enlarged(x, enlarge)
        geometry = (side, stride, padding, *size)
        _call(
            "convolution", (_last(x), batch, height, width, channels, *kept, *geometry, *added), out
        )
    return out.permute(0, 3, 1, 2)


def group_norm(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, *, silu: bool
) -> Tensor:
    """Group normalisation, then SiLU if asked for.

    Args:
        x: shape (batch, channels, height, width).
        groups: that the channels are divided into.
        weight: shape (channels,).
        bias: shape (channels,).
        eps: added to the variance.
        silu: whether x * sigmoid(x) follows.
    """
    fits = x.ndim == 4 and x.shape[1] == len(weight) and len(weight) % groups == 0
    if not (fits and _own(x, weight, bias)):
        out = F.group_norm(x, groups, weight, bias, eps)
        return F.silu(out) if silu else out
    batch, channels, height, width = x.shape
    out = empty(batch, height, width, channels)
    positions = height * width
    _call(
        "group_norm", (_last(x), batch, positions, channels, groups, weight, bias, eps, silu), out
    )
    return out.permute(0, 3, 1, 2)


def attention(
    q: Tensor, k: Tensor, v: Tensor, num_heads: int, mask: Tensor | None = None
) -> Tensor:
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
    if mask is None and (result := _own_attention(q, k, v, num_heads)) is not None:
        return result
    q, k, v = (x.unflatten(-1, (num_heads, -1)).transpose(1, 2) for x in (q, k, v))  # (b, h, n, d)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def _own_attention(q: Tensor, k: Tensor, v: Tensor, num_heads: int) -> Tensor | None:
    name = ATTENTION.get(q.dtype)
    fits = k.dtype == v.dtype == q.dtype and q.ndim == k.ndim == 3 and k.shape == v.shape
    fits = fits and k.shape[::2] == q.shape[::2] and q.shape[2] % num_heads == 0
    if name is None or not (fits and _usable(q, k, v)):
        return None
    tokens = [x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v)]
    batch, queries, width = q.shape
    head_dim = width // num_heads
    out = empty(batch, queries, width, dtype=q.dtype)
    sizes = (batch, num_heads, queries, k.shape[1], head_dim, head_dim**-0.5)
    strides = (stride for x in tokens for stride in x.stride()[:2])
    return out if _run(name, (*tokens, out, *sizes, *strides)) else None


def _own(x: Tensor, weight: Tensor, *others: Tensor | None) -> bool:
    """Whether the package's kernels can compute this, and no gradient is wanted."""
    activations = (x, *(other for other in others if other is not None))
    tensors = (weight, *activations)
    return (
        all(t.dtype == torch.float32 for t in activations)
        and weight.dtype in WEIGHT_TYPES
        and _usable(*tensors)
    )


def _usable(*tensors: Tensor) -> bool:
    return (
        not (torch.compiler.is_compiling() or torch.jit.is_tracing())
        and available()
        and all(type(t) in PLAIN and t.device.type == "cpu" and t.numel() for t in tensors)
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in tensors))
    )


def _enlarged(x: Tensor, times: int) -> Tensor:
    return x if times == 1 else F.interpolate(x, scale_factor=float(times), mode="nearest")


def _kept(weight: Tensor) -> tuple[Tensor, int]:
    return weight.contiguous(), WEIGHT_TYPES[weight.dtype]


def _last(x: Tensor | None) -> Tensor | None:
    """(batch, height, width, channels), copied if the memory is laid out otherwise."""
    return None if x is None else x.permute(0, 2, 3, 1).contiguous()


def _call(name: str, arguments: Sequence[Argument], out: Tensor) -> None:
    if not _run(name, (*arguments, out)):
        raise MemoryError(f"no memory for the buffers of {name}")


def _run(name: str, arguments: Sequence[Argument]) -> bool:
    """Whether the kernel did it."""
    found = loaded()
    assert found is not None
    kernel = getattr(found[1], f"kakusan_{name}")  # which ctypes keeps, unlike an index
    return kernel(*(_passed(argument) for argument in arguments)) == 0


def _passed(argument: Argument) -> ctypes.c_void_p | ctypes.c_int64 | ctypes.c_float:
    if argument is None:
        return ctypes.c_void_p(None)
    if isinstance(argument, Tensor):
        return ctypes.c_void_p(argument.data_ptr())
    if isinstance(argument, float):
        return ctypes.c_float(argument)
    return ctypes.c_int64(argument)
