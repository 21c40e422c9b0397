"""From the tensors that a file has for one layer to the changes of its weight and its bias."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from kakusan.checkpoints.adapters.changes import (
    Change,
    Difference,
    Padded,
    Product,
    Replacement,
    WithRest,
)
from kakusan.checkpoints.adapters.dependent import Decomposed, Generalised, Rotation, Scaling
from kakusan.checkpoints.adapters.products import Factor, Hadamard, Kronecker

Shape = tuple[int, ...]


class MisfitError(Exception):
    """The tensors do not make a change of such a weight; says the shape that they make."""


class IncompleteError(Exception):
    """A tensor of a pair is missing; says which is there and which is not."""


@dataclass(frozen=True)
class Layer:
    """What a file has for one layer.

    Attributes:
        tensors: by their slots, see `names`.
        scale: of the change, where the adapter's config says it.
        on_input: whether the layer's input is scaled, where the config says that.
    """

    tensors: Mapping[str, Tensor]
    scale: float | None = None
    on_input: bool | None = None

    def number(self, slot: str) -> float | None:
        """A tensor of one number; None where there is none."""
        tensor = self.tensors.get(slot)
        if tensor is None:
            return None
        if tensor.numel() != 1:
            raise MisfitError(f"its {slot} has the shape {tuple(tensor.shape)}, and is no number")
        return float(tensor.double().item())

    def scaled(self, rank: int | None) -> float:
        """What its product is multiplied with: alpha / rank, or 1."""
        if (said := self.number("scale")) is not None:
            return said
        alpha = self.number("alpha")
        if alpha is not None:
            return alpha / rank if rank else 1.0
        return 1.0 if self.scale is None else self.scale


def changes_of(
    layer: Layer, weight: Shape | None, bias: Shape | None, channels: int | None = None
) -> tuple[Change | None, Change | None, frozenset[str]]:
    """The changes of a layer's weight and bias, and the slots that they are made of.

    Args:
        weight, bias: their shapes; None where it has none.
        channels: of the inputs that the file may know alone, where the weight has more of them.

    Raises:
        MisfitError: They would have another shape.
        IncompleteError: One of a pair of tensors is missing.
    """
    used: set[str] = set()
    kind = next((each for each in _KINDS if each.first & layer.tensors.keys()), None)
    change: Change | None = None
    if kind is not None and weight is not None:
        _check_whole(kind, layer.tensors)
        if channels is not None and _is_narrow(kind, layer, weight, channels):
            narrow = (weight[0], channels, *weight[2:])
            change = Padded(_made(kind, layer, narrow), channels)
        else:
            change = _made(kind, layer, weight)
        used |= kind.slots & layer.tensors.keys() | _BESIDE
    of_bias: Change | None = None
    for slot in ("diff_b", "b_norm", "up_bias"):
        if slot in layer.tensors and bias is not None:
            scale = layer.scaled(_rank(change)) if slot == "up_bias" else 1.0
            of_bias = Difference(_fit(layer.tensors[slot], bias), scale)
            used.add(slot)
    if "ia3_l" in used and bias is not None and isinstance(change, Scaling) and not change.on_input:
        of_bias = Scaling(change.factors_less_one, on_input=False)  # peft scales results, whole
    return change, of_bias, frozenset(used)


@dataclass(frozen=True)
class _Kind:
    """A kind of change.

    Attributes:
        first: slots one of which tells it.
        needs: groups of slots, of one of which each file has all.
        may: slots that may be there besides.
    """

    make: Callable[[Layer, Shape], Change]
    first: frozenset[str]
    needs: tuple[tuple[str, ...], ...]
    may: frozenset[str] = frozenset()

    @property
    def slots(self) -> frozenset[str]:
        return frozenset().union(*self.needs) | self.may


_REST = ("bias_indices", "bias_values", "bias_size")
_BESIDE = frozenset({"alpha", "scale", "dora_scale", "magnitude", *_REST})


def _check_whole(kind: _Kind, there: Mapping[str, Tensor]) -> None:
    groups = [set(group) for group in kind.needs]
    if any(group <= there.keys() for group in groups):
        return
    nearest = max(groups, key=lambda group: len(group & there.keys()))
    has, lacks = sorted(nearest & there.keys()), sorted(nearest - there.keys())
    raise IncompleteError(f"{' and '.join(has)} without {' and '.join(lacks)}")


def _made(kind: _Kind, layer: Layer, weight: Shape) -> Change:
    if len(weight) < 2 and kind.make not in (_difference, _replacement):
        raise MisfitError("it changes a matrix")
    change = kind.make(layer, weight)
    if any(slot in layer.tensors for slot in _REST):
        change = _with_rest(change, layer, weight)
    lengths = layer.tensors.get("magnitude", layer.tensors.get("dora_scale"))
    if lengths is None:
        return change
    return Decomposed(change, lengths, _lengths_on_input(layer, lengths, weight))


def _with_rest(change: Change, layer: Layer, weight: Shape) -> Change:
    if lacks := [slot for slot in _REST if slot not in layer.tensors]:
        raise IncompleteError(f"a sparse rest without {' and '.join(lacks)}")
    indices, values, size = (layer.tensors[slot] for slot in _REST)
    wanted = (weight[0], math.prod(weight[1:]))
    whole = not any(each.is_floating_point() or each.is_complex() for each in (indices, size))
    fits = whole and size.numel() == 2 and tuple(size.flatten().tolist()) == wanted
    if not fits or values.ndim != 1 or tuple(indices.shape) != (2, len(values)):
        raise MisfitError(f"its sparse rest has the shape {tuple(size.flatten().tolist())}")
    bounds = torch.tensor(wanted).unsqueeze(1)
    if bool(((indices < 0) | (indices.long() >= bounds)).any()):
        raise MisfitError("its sparse rest has entries outside of the weight")
    return WithRest(change, indices, values, wanted, layer.scaled(change.rank))


def _lengths_on_input(layer: Layer, lengths: Tensor, weight: Shape) -> bool:
    """Whether DoRA's lengths are of columns, as kohya's time had them, or of rows."""
    outs, ins = weight[0], weight[1] if len(weight) > 1 else 1
    if "magnitude" in layer.tensors:  # peft's is of rows, and of a convolution (1, out, 1, 1)
        on_input = False
    else:
        on_input = not lengths.ndim or lengths.shape[0] != outs
    if lengths.numel() != (ins if on_input else outs):
        raise MisfitError(f"its DoRA lengths have the shape {tuple(lengths.shape)}")
    return on_input


def _is_narrow(kind: _Kind, layer: Layer, weight: Shape, channels: int) -> bool:
    try:
        kind.make(layer, weight)
    except MisfitError:
        return len(weight) == 4 and weight[1] > channels
    return False


def _rank(change: Change | None) -> int | None:
    return None if change is None else change.rank


def _fit(tensor: Tensor, wanted: Shape) -> Tensor:
    """A whole tensor, which may have or lack dimensions of 1 at its end."""
    _check(tuple(tensor.shape), wanted)
    return tensor


def _check(made: Shape, wanted: Shape) -> None:
    """Raise where a change has another shape, but for how a kernel's sides are laid out."""
    if _bare(made) == _bare(wanted):
        return
    flat = (wanted[0], math.prod(wanted[1:]))
    if len(wanted) == 4 and made == flat:
        return
    raise MisfitError(f"it makes a change of the shape {_plain(made)}")


def _bare(shape: Shape) -> Shape:
    while len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _plain(shape: Shape) -> Shape:
    return shape[:2] if set(shape[2:]) <= {1} else shape


def _matrix(tensor: Tensor) -> Tensor:
    """(rows, columns) of what may be a convolution with a kernel of 1."""
    if tensor.ndim < 2 or math.prod(tensor.shape[2:]) != 1:
        raise MisfitError(f"it has a factor of the shape {tuple(tensor.shape)}")
    return tensor.flatten(1)


def _product(layer: Layer, weight: Shape) -> Change:
    down, up, mid = layer.tensors["down"], _matrix(layer.tensors["up"]), layer.tensors.get("mid")
    rank, scale = (down.shape[0] if down.ndim else 0), layer.scaled(len(down) if down.ndim else 0)
    if mid is not None:
        down = _matrix(down)
        if mid.ndim != 4 or tuple(mid.shape[:2]) != (up.shape[1], rank):
            raise MisfitError(f"its lora_mid has the shape {tuple(mid.shape)}")
        _check((up.shape[0], down.shape[1], *mid.shape[2:]), weight)
        return Product(down, up, scale, mid)
    if down.ndim < 2 or not rank or up.shape[1] != rank:
        raise MisfitError(f"its factors have the shapes {tuple(up.shape)} and {tuple(down.shape)}")
    _check((up.shape[0], *down.shape[1:]), weight)
    down = down.reshape(rank, *weight[1:])
    return Product(down, up, scale)


def _factor(layer: Layer, name: str, core: str) -> Factor:
    have = layer.tensors.get
    whole = have(name)
    if whole is not None:
        return Factor(whole, None, None)
    return Factor(None, have(f"{name}_a"), have(f"{name}_b"), have(core))


def _hadamard(layer: Layer, weight: Shape) -> Change:
    first = _factor(layer, "hada_w1", "hada_t1")
    second = _factor(layer, "hada_w2", "hada_t2")
    if first.shape is None or first.shape != second.shape:
        raise MisfitError(f"its factors make {first.shape} and {second.shape}")
    _check(first.shape, weight)
    return Hadamard(first, second, layer.scaled(first.rank))


def _kronecker(layer: Layer, weight: Shape) -> Change:
    first, second = _factor(layer, "lokr_w1", "lokr_t1"), _factor(layer, "lokr_w2", "lokr_t2")
    a, b = first.shape, second.shape
    if a is None or b is None or len(a) < 2 or len(b) < 2 or math.prod(a[2:]) != 1:
        raise MisfitError(f"its factors make {a} and {b}")
    _check((a[0] * b[0], a[1] * b[1], *b[2:]), weight)
    rank = second.rank if second.rank is not None else first.rank
    return Kronecker(first, second, layer.scaled(rank))


def _difference(layer: Layer, weight: Shape) -> Change:
    said = layer.number("scale")
    slot = "diff" if "diff" in layer.tensors else "w_norm"
    return Difference(_fit(layer.tensors[slot], weight), 1.0 if said is None else said)


def _replacement(layer: Layer, weight: Shape) -> Change:
    return Replacement(_fit(layer.tensors["set_weight"], weight))


def _scaling(layer: Layer, weight: Shape) -> Change:
    factors, on_input = layer.tensors["weight"], bool(layer.number("on_input"))
    wanted = weight[1 if on_input else 0]
    if factors.numel() != wanted:
        raise MisfitError(f"it scales {factors.numel()} {'columns' if on_input else 'rows'}")
    return Scaling(factors.flatten(), on_input)


def _scaling_of_peft(layer: Layer, weight: Shape) -> Change:
    """Whole factors; of a linear layer (out, 1) or (1, in), of a convolution (1, either, 1, 1)."""
    factors, (outs, ins) = layer.tensors["ia3_l"], weight[:2]
    if factors.ndim == 2 and tuple(factors.shape) in ((outs, 1), (1, ins)):
        on_input = tuple(factors.shape) != (outs, 1)
    elif factors.ndim == 4 and factors.numel() in (outs, ins):
        both = outs == ins and layer.on_input is not None
        on_input = bool(layer.on_input) if both else factors.numel() != outs
    else:
        raise MisfitError(f"its ia3_l has the shape {tuple(factors.shape)}")
    return Scaling(factors.flatten().float() - 1, on_input)


def _generalised(layer: Layer, weight: Shape) -> Change:
    a1, a2, b1, b2 = (layer.tensors[name] for name in ("a1", "a2", "b1", "b2"))
    for each in (a1, a2, b1, b2):
        if each.ndim < 2:
            raise MisfitError(f"it has a factor of the shape {tuple(each.shape)}")
    # older files call the factors the other way round; where both fit, only a square tells
    new = b2.shape[0] == b1.shape[1] == a1.shape[1] == a2.shape[0]
    old = b2.shape[1] == b1.shape[0] == a1.shape[0] == a2.shape[1]
    if old and not (new and not a2.shape[0] == weight[0] == weight[1]):
        up, down, right, left = b2, b1, a2, a1
    elif new:
        up, down, right, left = b1, b2, a1, a2
    else:
        shapes = ", ".join(str(tuple(each.shape)) for each in (a1, a2, b1, b2))
        raise MisfitError(f"its factors have the shapes {shapes}")
    up, right, left = _matrix(up), _matrix(right), _matrix(left)
    if (mid := layer.tensors.get("bm")) is not None:  # Tucker's core
        if mid.ndim != 4 or tuple(mid.shape[:2]) != (up.shape[1], len(down)):
            raise MisfitError(f"its bm has the shape {tuple(mid.shape)}")
        down = torch.einsum("pqhw, qi -> pihw", mid.float(), _matrix(down).float())
    _check((up.shape[0], *down.shape[1:]), weight)
    if right.shape[0] != weight[1] or left.shape[1] != weight[1]:
        raise MisfitError(f"its factors of the weight have {right.shape[0]} rows")
    return Generalised(up, down.flatten(1), right, left, layer.scaled(len(down)))


def _rotation(layer: Layer, weight: Shape) -> Change:
    old = "oft_blocks" not in layer.tensors
    blocks = layer.tensors["oft_diag" if old else "oft_blocks"]
    rescale = layer.tensors.get("rescale")
    square = blocks.ndim in (3, 4) and blocks.shape[-1] == blocks.shape[-2]
    if not square or blocks.shape[-3] * blocks.shape[-1] != weight[0]:
        raise MisfitError(f"its blocks have the shape {tuple(blocks.shape)}")
    if blocks.ndim == 4 and not _is_butterfly(tuple(blocks.shape), weight[0]):
        raise MisfitError(f"its blocks have the shape {tuple(blocks.shape)}")
    if rescale is not None and rescale.numel() != weight[0]:
        raise MisfitError(f"its rescale has the shape {tuple(rescale.shape)}")
    alpha = layer.number("alpha")
    limit = alpha * weight[0] if alpha is not None and alpha > 0 else None
    return Rotation(blocks, limit, rescale, old)


def _is_butterfly(shape: Shape, rows: int) -> bool:
    """Whether each stage can pair rows twice as far apart as the one before."""
    stages, side = shape[0], shape[-1]
    return side % 2 == 0 and stages < 32 and rows % (2 * 2 ** (stages - 1) * side // 2) == 0


_KINDS = (
    _Kind(_product, frozenset({"down", "up", "mid"}), (("down", "up"),), frozenset({"mid"})),
    _Kind(
        _hadamard,
        frozenset({"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"}),
        (
            ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"),
            ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2"),
        ),
    ),
    _Kind(
        _kronecker,
        frozenset({"lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b"}),
        tuple(
            (*first, *second)
            for first in (("lokr_w1",), ("lokr_w1_a", "lokr_w1_b"))
            for second in (("lokr_w2",), ("lokr_w2_a", "lokr_w2_b"))
        ),
        frozenset({"lokr_t2"}),
    ),
    _Kind(
        _generalised,
        frozenset({"a1", "a2", "b1", "b2"}),
        (("a1", "a2", "b1", "b2"),),
        frozenset({"bm"}),
    ),
    _Kind(
        _rotation,
        frozenset({"oft_blocks", "oft_diag"}),
        (("oft_blocks",), ("oft_diag",)),
        frozenset({"rescale"}),
    ),
    _Kind(_scaling_of_peft, frozenset({"ia3_l"}), (("ia3_l",),)),
    _Kind(_scaling, frozenset({"on_input"}), (("weight", "on_input"),)),
    _Kind(_replacement, frozenset({"set_weight"}), (("set_weight",),)),
    _Kind(_difference, frozenset({"diff"}), (("diff",),)),
    _Kind(_difference, frozenset({"w_norm"}), (("w_norm",),)),
)
