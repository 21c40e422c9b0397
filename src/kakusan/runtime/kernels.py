"""The operations that networks spend their time in, by the fastest means at hand.

On a CPU and without gradients, activations go through the package's own kernels: in float32, and in
bfloat16 where the processor multiplies it. They take parameters in float32, float16 or bfloat16,
and weights in blocks of `BLOCK_TYPES`, as they are stored, so no copy of these is ever made.
Everything else, and every machine without the kernels, takes torch's way to the same result. They
use as many threads as torch would.

Pictures are (batch, channels, height, width) with channels last in memory where kernels made them.
"""

from collections.abc import Sequence
from typing import overload

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.quantized.tensor import QuantizedTensor
from kakusan.runtime import cuda
from kakusan.runtime.arena import empty
from kakusan.runtime.native import calls, interface
from kakusan.runtime.native.calls import BLOCK_TYPES, TYPES
from kakusan.runtime.native.library import loaded

BFLOAT16_LEVELS = ("amx", "avx512_bf16")
# Below this many tiles of 4x4, transforming the weights costs more than the products it saves
WINOGRAD_TILES = {torch.float32: 6, torch.bfloat16: 24}

NARROW = (3, 4)  # channels that a convolution is quickest to as it is
PLAIN = (Tensor, nn.Parameter)  # others, such as quantised ones, have no memory that can be read
ATTENTION_TYPES = (torch.float32, torch.bfloat16)


def available(dtype: torch.dtype = torch.float32) -> bool:
    """Whether this process has kernels of its own for activations of `dtype`."""
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # neither can look into them
        return False
    found = loaded()
    if found is None:
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and found[0] in BFLOAT16_LEVELS)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None) -> Tensor:
    """`x` times `weight` transposed, plus `bias`, plus `residual`.

    Args:
        x: shape (..., in).
        weight: shape (out, in), in any dtype of `TYPES`, as is bias.
        bias: shape (out,).
        residual: shape (..., out).
    """
    shape = (*x.shape[:-1], len(weight))
    fits = x.shape[-1] == weight.shape[1] and (residual is None or residual.shape == shape)
    if not (fits and _own(x, weight, bias, residual)):
        out = F.linear(x, _cast(weight, x), _cast(bias, x))
        return out if residual is None else out + residual
    out = empty(*shape, dtype=x.dtype)
    x, weight = x.contiguous(), _contiguous(weight)
    bias, residual = _contiguous(bias), _contiguous(residual)
    _run("linear", calls.linear(x, weight, bias, residual, out))
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
    if not (x.shape[-1] == weight.shape[1] and _own(x, weight, bias)):
        value, gate = F.linear(x, _cast(weight, x), _cast(bias, x)).chunk(2, dim=-1)
        return value * F.gelu(gate)
    out = empty(*x.shape[:-1], len(weight) // 2, dtype=x.dtype)
    x, weight, bias = x.contiguous(), _contiguous(weight), bias.contiguous()
    _run("geglu", calls.geglu(x, weight, bias, out))
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
        weight: shape (out, in, side, side), in any dtype of `TYPES`, as is bias.
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
        x = x if enlarge == 1 else F.interpolate(x, scale_factor=float(enlarge), mode="nearest")
        out = F.conv2d(x, _cast(weight, x), _cast(bias, x), stride, padding)
        out = out if sample is None else out + sample[:, :, None, None]
        return out if residual is None else residual + out
    out = empty(len(x), *size, len(weight), dtype=x.dtype)
    by_winograd = (side, stride, padding) == (3, 1, 1) and _winograd_pays(x, size)
    by_winograd = by_winograd and len(weight) not in NARROW
    x, residual = _channels_last(x), None if residual is None else _channels_last(residual)
    weight, bias, sample = _contiguous(weight), _contiguous(bias), _contiguous(sample)
    geometry = (side, stride, padding, enlarge)
    call = calls.convolution(x, weight, bias, geometry, sample, residual, out)
    _run("winograd" if by_winograd else "convolution", call)
    return out.permute(0, 3, 1, 2)


def _winograd_pays(x: Tensor, size: Sequence[int]) -> bool:
    """Whether fewer products in float32 take less time than all of them in the dtype of `x`."""
    found = loaded()
    if x.dtype == torch.bfloat16 and found is not None and found[0] == "amx":
        return False
    tiles = len(x) * -(-size[0] // 4) * -(-size[1] // 4)
    return tiles >= WINOGRAD_TILES[x.dtype] and x.shape[1] % 16 == 0


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
        if fits and (own := cuda.group_norm_for(x, weight, bias)) is not None:
            return own(x, groups, weight, bias, eps, silu)
        out = F.group_norm(x, groups, _cast(weight, x), _cast(bias, x), eps)
        return F.silu(out) if silu else out
    batch, channels, height, width = x.shape
    out = empty(batch, height, width, channels, dtype=x.dtype)
    x, weight, bias = _channels_last(x), weight.contiguous(), bias.contiguous()
    _run("group_norm", calls.group_norm(x, groups, weight, bias, eps, silu, out))
    return out.permute(0, 3, 1, 2)


def layer_norm(x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
    """Layer normalisation over the last dimension.

    Args:
        x: shape (..., width).
        weight: shape (width,), in any dtype of `TYPES`, as is bias.
        bias: shape (width,).
        eps: added to the variance.
    """
    fits = weight.shape == bias.shape == x.shape[-1:]
    if not (fits and _own(x, weight, bias)):
        return F.layer_norm(x, weight.shape, _cast(weight, x), _cast(bias, x), eps)
    out = empty(*x.shape, dtype=x.dtype)
    x, weight, bias = x.contiguous(), weight.contiguous(), bias.contiguous()
    _run("layer_norm", calls.layer_norm(x, weight, bias, eps, out))
    return out


def concatenate(first: Tensor, second: Tensor) -> Tensor:
    """The channels of two feature maps one after the other.

    Args:
        first: shape (batch, channels, height, width).
        second: the same but for its channels.
    """
    both = (first, second)
    fits = first.ndim == second.ndim == 4 and first.dtype == second.dtype
    fits = fits and first[:, 0].shape == second[:, 0].shape
    laid_out = all(x.is_contiguous(memory_format=torch.channels_last) for x in both)
    if not (fits and laid_out and available() and _usable(*both)):
        return torch.cat(both, dim=1)
    batch, channels, height, width = first.shape
    out = empty(batch, height, width, channels + second.shape[1], dtype=first.dtype)
    _run("concatenate", calls.concatenate(first, second, out))
    return out.permute(0, 3, 1, 2)


def all_finite(x: Tensor) -> bool:
    """Whether no value of a floating-point tensor is NaN or infinite; reads each once."""
    if x.numel() == 0:
        return True
    if available() and x.dtype in TYPES and x.is_contiguous() and _usable(x.detach()):
        out = torch.empty(1, dtype=torch.int64, device="cpu")
        _run("finite", calls.finite(x, out))
        return bool(out)
    if x.dtype.itemsize == 1:
        x = x.float()
    # One pass without temporaries, and both ends are NaN if any value is: up to 50 times as fast
    # as isfinite().all() in half precision.
    return bool(torch.isfinite(torch.stack(torch.aminmax(x))).all())


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
    fits = k.dtype == v.dtype == q.dtype and q.ndim == k.ndim == 3 and k.shape == v.shape
    fits = fits and k.shape[::2] == q.shape[::2] and q.shape[2] % num_heads == 0
    if not (fits and q.dtype in ATTENTION_TYPES and available() and _usable(q, k, v)):
        return None
    q, k, v = (x if x.stride(-1) == 1 else x.contiguous() for x in (q, k, v))
    out = empty(*q.shape, dtype=q.dtype)
    return out if _done("attention", calls.attention(q, k, v, num_heads, out)) else None


def _own(x: Tensor, weight: Tensor, bias: Tensor | None, *others: Tensor | None) -> bool:
    """Whether the package's kernels can compute this, and no gradient is wanted.

    Args:
        x: what goes in, as do `others`.
        weight: a parameter, as is `bias`.
    """
    activations = [x, *(other for other in others if other is not None)]
    parameters = [weight] if bias is None else [weight, bias]
    return (
        available(x.dtype)
        and all(t.dtype == x.dtype for t in activations)
        and all(t.dtype in TYPES for t in parameters)
        # bfloat16 is multiplied in pairs
        and (x.dtype == torch.float32 or weight.ndim == 1 or weight.shape[1] % 2 == 0)
        and _usable(*activations, *parameters)
    )


def _usable(*tensors: Tensor) -> bool:
    return all(_readable(t) and t.device.type == "cpu" and t.numel() for t in tensors) and not (
        torch.is_grad_enabled() and any(t.requires_grad for t in tensors)
    )


def _readable(t: Tensor) -> bool:
    return type(t) in PLAIN or (isinstance(t, QuantizedTensor) and t.kind in BLOCK_TYPES)


@overload
def _cast(parameter: Tensor, x: Tensor) -> Tensor: ...
@overload
def _cast(parameter: Tensor | None, x: Tensor) -> Tensor | None: ...
def _cast(parameter: Tensor | None, x: Tensor) -> Tensor | None:
    """A parameter as torch wants it beside `x`; autocast sees to that itself."""
    automatic = x.device.type in ("cpu", "cuda") and torch.is_autocast_enabled(x.device.type)
    return parameter if parameter is None or automatic else parameter.to(x.dtype)


@overload
def _contiguous(x: Tensor) -> Tensor: ...
@overload
def _contiguous(x: Tensor | None) -> Tensor | None: ...
def _contiguous(x: Tensor | None) -> Tensor | None:
    return x if x is None or isinstance(x, QuantizedTensor) else x.contiguous()


def _channels_last(x: Tensor) -> Tensor:
    """(batch, height, width, channels), copied if the memory is laid out otherwise."""
    return x.permute(0, 2, 3, 1).contiguous()


def _run(name: str, call: interface.Call) -> None:
    if not _done(name, call):
        raise MemoryError(f"no memory for the buffers of {name}")


def _done(name: str, call: interface.Call) -> bool:
    """Whether the kernel did it."""
    found = loaded()
    assert found is not None
    return getattr(found[1], f"kakusan_{name}")(call) == 0
