"""Tensors as the structures that kernels are called with.

Everything is laid out as the kernels read it when it comes here: a structure holds addresses only,
and who calls sees to it that the tensors stay until the kernel is done.
"""

import torch
from torch import Tensor

from kakusan.quantized.formats import BF16, F16, Q4_0, Q8_0
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.runtime.native import interface

TYPES = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}
# What a weight may be stored in besides
BLOCK_TYPES = {F16: 1, BF16: 2, Q8_0: 3, Q4_0: 4}


def _address(x: Tensor | None) -> int | None:
    if isinstance(x, QuantizedTensor):
        return x.blocks.data_ptr()
    return None if x is None else x.data_ptr()


def _type(parameter: Tensor | None) -> int:
    if isinstance(parameter, QuantizedTensor):
        return BLOCK_TYPES[parameter.kind]
    return 0 if parameter is None else TYPES[parameter.dtype]


def linear(
    x: Tensor, weight: Tensor, bias: Tensor | None, residual: Tensor | None, out: Tensor
) -> interface.LinearCall:
    """See `kakusan.runtime.kernels`, here and below."""
    return interface.LinearCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[x.dtype],
        x=x.data_ptr(),
        rows=x.numel() // x.shape[-1],
        depth=x.shape[-1],
        columns=len(weight),
        weight=_address(weight),
        weight_type=_type(weight),
        bias=_address(bias),
        bias_type=_type(bias),
        residual=_address(residual),
        out=out.data_ptr(),
    )


def geglu(x: Tensor, weight: Tensor, bias: Tensor, out: Tensor) -> interface.GegluCall:
    return interface.GegluCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[x.dtype],
        x=x.data_ptr(),
        rows=x.numel() // x.shape[-1],
        depth=x.shape[-1],
        width=out.shape[-1],
        weight=_address(weight),
        weight_type=_type(weight),
        bias=bias.data_ptr(),
        bias_type=TYPES[bias.dtype],
        out=out.data_ptr(),
    )


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: tuple[int, int, int, int],
    sample: Tensor | None,
    residual: Tensor | None,
    out: Tensor,
) -> interface.ConvolutionCall:
    """Pictures are (batch, height, width, channels); `geometry`: side, stride, padding, enlarge."""
    side, stride, padding, enlarge = geometry
    return interface.ConvolutionCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[x.dtype],
        x=x.data_ptr(),
        batch=len(x),
        height=x.shape[1],
        width=x.shape[2],
        channels=x.shape[3],
        enlarge=enlarge,
        columns=len(weight),
        side=side,
        stride=stride,
        padding=padding,
        out_height=out.shape[1],
        out_width=out.shape[2],
        weight=_address(weight),
        weight_type=_type(weight),
        bias=_address(bias),
        bias_type=_type(bias),
        sample=_address(sample),
        residual=_address(residual),
        out=out.data_ptr(),
    )


def group_norm(
    x: Tensor, groups: int, weight: Tensor, bias: Tensor, eps: float, silu: bool, out: Tensor
) -> interface.GroupNormCall:
    """`x` is (batch, height, width, channels)."""
    return interface.GroupNormCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[x.dtype],
        x=x.data_ptr(),
        batch=len(x),
        positions=x.shape[1] * x.shape[2],
        channels=x.shape[3],
        groups=groups,
        silu=silu,
        eps=eps,
        weight=_address(weight),
        weight_type=_type(weight),
        bias=bias.data_ptr(),
        bias_type=TYPES[bias.dtype],
        out=out.data_ptr(),
    )


def layer_norm(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, out: Tensor
) -> interface.LayerNormCall:
    return interface.LayerNormCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[x.dtype],
        x=x.data_ptr(),
        rows=x.numel() // x.shape[-1],
        width=x.shape[-1],
        eps=eps,
        weight=_address(weight),
        weight_type=_type(weight),
        bias=bias.data_ptr(),
        bias_type=TYPES[bias.dtype],
        out=out.data_ptr(),
    )


def concatenate(first: Tensor, second: Tensor, out: Tensor) -> interface.ConcatenateCall:
    return interface.ConcatenateCall(
        threads=torch.get_num_threads(),
        rows=out.numel() // out.shape[-1],
        first=first.data_ptr(),
        first_bytes=first.shape[1] * first.itemsize,
        second=second.data_ptr(),
        second_bytes=second.shape[1] * second.itemsize,
        out=out.data_ptr(),
    )


def finite(x: Tensor, out: Tensor) -> interface.FiniteCall:
    """`out` is one integer of 64 bits."""
    return interface.FiniteCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[x.dtype],
        x=x.data_ptr(),
        count=x.numel(),
        out=out.data_ptr(),
    )


def attention(
    q: Tensor, k: Tensor, v: Tensor, num_heads: int, out: Tensor
) -> interface.AttentionCall:
    head_dim = q.shape[2] // num_heads
    return interface.AttentionCall(
        threads=torch.get_num_threads(),
        x_type=TYPES[q.dtype],
        q=q.data_ptr(),
        k=k.data_ptr(),
        v=v.data_ptr(),
        q_batch_stride=q.stride(0),
        q_row_stride=q.stride(1),
        k_batch_stride=k.stride(0),
        k_row_stride=k.stride(1),
        v_batch_stride=v.stride(0),
        v_row_stride=v.stride(1),
        batch=len(q),
        heads=num_heads,
        queries=q.shape[1],
        keys=k.shape[1],
        head_dim=head_dim,
        scale=head_dim**-0.5,
        out=out.data_ptr(),
    )
