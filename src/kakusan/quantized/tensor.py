"""A tensor that stays in the blocks, or the 16 bits, that a file has it in.

It stands for the plain tensor of its values: it has their shape and a floating point dtype, and
whatever torch computes with it gets the values, unpacked for that one operation. The package's own
kernels read the blocks themselves. Blocks are never changed, so copies share them.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from kakusan.errors import RequestError
from kakusan.quantized.formats import Format
from kakusan.quantized.unpacking import unpack

_NO_MEMORY = (
    "a quantised tensor has no memory of its dtype; dequantize() makes a plain tensor of it"
)

_UNCHANGED = "quantised weights cannot be changed in place; dequantize() makes plain ones"


class QuantizedTensor(Tensor):
    """Values in blocks.

    Args:
        blocks: their bytes, uint8, one after another.
        kind: how they are laid out; plain numbers are blocks of one value.
        shape: of the values, which follow one another in the blocks.
        dtype: that the values appear in. The blocks do not change with it.
        mapped: whether the blocks are a file's own memory, which holds nothing else.
    """

    blocks: Tensor
    kind: Format
    mapped: bool

    __torch_function__ = torch._C._disabled_torch_function_impl  # pyright: ignore

    @staticmethod
    def __new__(
        cls: type["QuantizedTensor"],
        blocks: Tensor,
        kind: Format,
        shape: Sequence[int],
        dtype: torch.dtype,
        mapped: bool = False,
    ) -> "QuantizedTensor":
        made: QuantizedTensor = Tensor._make_wrapper_subclass(  # pyright: ignore
            cls, tuple(shape), dtype=dtype, device=blocks.device
        )
        return made

    def __init__(
        self,
        blocks: Tensor,
        kind: Format,
        shape: Sequence[int],
        dtype: torch.dtype,
        mapped: bool = False,
    ) -> None:
        assert blocks.dtype == torch.uint8
        assert len(blocks) == kind.size(math.prod(shape))
        assert dtype.is_floating_point
        self.blocks, self.kind, self.mapped = blocks, kind, mapped

    def dequantize(self) -> Tensor:
        """A plain tensor of the values."""
        return unpack(self.blocks, self.kind, self.dtype).view(self.shape)

    def all_finite(self) -> bool:
        """Whether no value is NaN or infinite, which the blocks' scales tell."""
        if self.kind.dtype is not None:
            values = self.blocks.view(self.kind.dtype)
            return bool(torch.isfinite(torch.stack(torch.aminmax(values))).all())
        rows = self.blocks.view(-1, self.kind.bytes)
        return all(
            bool(rows[:, at : at + 2].contiguous().view(torch.float16).isfinite().all())
            for at in self.kind.scales
        )

    @property
    def nbytes(self) -> int:  # pyright: ignore
        """Of the blocks."""
        return len(self.blocks)

    def data_ptr(self) -> int:
        raise RequestError(_NO_MEMORY)

    def untyped_storage(self) -> torch.UntypedStorage:
        raise RequestError(_NO_MEMORY)

    def __setitem__(self, index: Any, value: Any) -> None:
        raise RequestError(_UNCHANGED)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        made = self.with_shape(self.shape)
        if isinstance(self, torch.nn.Parameter):
            made = torch.nn.Parameter(made, requires_grad=self.requires_grad)
        memo[id(self)] = made
        return made  # pyright: ignore

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuilt, (self.blocks, self.kind, tuple(self.shape), self.dtype)

    def __repr__(self) -> str:  # pyright: ignore
        return f"QuantizedTensor({self.kind.name}, {tuple(self.shape)}, {self.dtype})"

    def __tensor_flatten__(self) -> tuple[list[str], tuple[Format, torch.dtype]]:
        """What torch asks of tensors made of others, when it moves or compiles them."""
        return ["blocks"], (self.kind, self.dtype)

    @staticmethod
    def __tensor_unflatten__(
        inner: dict[str, Tensor], how: tuple[Format, torch.dtype], shape: Sequence[int], _: object
    ) -> "QuantizedTensor":
        return QuantizedTensor(inner["blocks"], how[0], shape, how[1])

    def with_shape(self, shape: Sequence[int]) -> "QuantizedTensor":
        """The same values in another shape."""
        return QuantizedTensor(self.blocks, self.kind, shape, self.dtype, self.mapped)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # a view of a tensor that is none of inference mode's has to be none, too
        with torch.inference_mode(False), torch.no_grad():
            return _dispatched(func, args, kwargs or {})


def _dispatched(func: Any, args: Any, kwargs: Any) -> Any:
    if isinstance(args[0], QuantizedTensor):
        if func in _REORDERING_NOTHING:
            shape = func(torch.empty(args[0].shape, device="meta"), *args[1:], **kwargs).shape
            return args[0].with_shape(shape)
        kept = _KEPT[func](args[0], *args[1:], **kwargs) if func in _KEPT else None
        if kept is not None:
            return kept
    if func._schema.is_mutable and _is_written(func, args, kwargs):
        raise RequestError(_UNCHANGED)
    composed = func.decompose(*args, **kwargs)
    if composed is not NotImplemented:
        return composed
    plain = tree_map_only(QuantizedTensor, QuantizedTensor.dequantize, (args, kwargs))
    return func(*plain[0], **plain[1])


def plain_tensor(tensor: Tensor) -> Tensor:
    """A tensor of plain numbers, which most are already."""
    return tensor.dequantize() if isinstance(tensor, QuantizedTensor) else tensor


def _rebuilt(blocks: Tensor, kind: Format, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    return QuantizedTensor(blocks, kind, shape, dtype)


def _is_written(func: Any, args: Any, kwargs: Any) -> bool:
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            if isinstance(value, QuantizedTensor):
                return True
    return False


def _same(x: QuantizedTensor, *_: object, **__: object) -> QuantizedTensor:
    return x.with_shape(x.shape)


def _rows(
    x: QuantizedTensor,
    dim: int = 0,
    start: int | None = None,
    stop: int | None = None,
    step: int = 1,
) -> QuantizedTensor | None:
    """Some of the rows, where these are whole blocks."""
    each = x.numel() // len(x) if len(x) else 0
    if dim % max(x.ndim, 1) or step != 1 or each % x.kind.values:
        return None
    first, end, _ = slice(start, stop).indices(len(x))
    blocks = x.blocks[x.kind.size(first * each) : x.kind.size(max(first, end) * each)]
    return QuantizedTensor(blocks, x.kind, (max(end - first, 0), *x.shape[1:]), x.dtype, x.mapped)


def _split(x: QuantizedTensor, size: int, dim: int = 0) -> list[QuantizedTensor] | None:
    parts = [_rows(x, dim, start, start + size) for start in range(0, len(x), size)]
    return (
        None
        if any(part is None for part in parts)
        else [part for part in parts if part is not None]
    )


def _moved(
    x: QuantizedTensor,
    *,
    dtype: torch.dtype | None = None,
    device: torch.device | None = None,
    non_blocking: bool = False,
    **_: object,
) -> QuantizedTensor | None:
    """Elsewhere, or as values of another dtype; the memory format means nothing to blocks."""
    if dtype is not None and not dtype.is_floating_point:
        return None
    blocks = x.blocks if device is None else x.blocks.to(device, non_blocking=non_blocking)
    return QuantizedTensor(
        blocks, x.kind, x.shape, dtype or x.dtype, x.mapped and blocks is x.blocks
    )


_aten: Any = torch.ops.aten
_KEPT: dict[Any, Callable[..., QuantizedTensor | list[QuantizedTensor] | None]] = {
    _aten.detach.default: _same,
    _aten.alias.default: _same,
    _aten.clone.default: _same,
    _aten.contiguous.default: _same,
    _aten.slice.Tensor: _rows,
    _aten.split.Tensor: _split,
    _aten._to_copy.default: _moved,
}
_REORDERING_NOTHING = {
    _aten.view.default,
    _aten._unsafe_view.default,
    _aten.squeeze.default,
    _aten.squeeze.dim,
    _aten.squeeze.dims,
    _aten.unsqueeze.default,
}
