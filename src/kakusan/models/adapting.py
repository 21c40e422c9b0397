"""A network with adapters on: a copy that shares with the plain one whatever is not changed.

A change of low rank is computed beside its layer, or added to a copy of the weight; any other is
always added to a copy. The plain network is never touched, so that to take adapters off is to use
it, and copies with other adapters can compute at the same time.
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn

from kakusan.checkpoints.adapters.changes import Change, LowRank
from kakusan.models.layers.adapted import AdaptedConv2d, AdaptedGEGLU, AdaptedLinear
from kakusan.models.layers.attention import GEGLU
from kakusan.models.layers.basic import Conv2d, Linear
from kakusan.models.worn import AdapterSet
from kakusan.quantized.tensor import QuantizedTensor, plain_tensor
from kakusan.runtime import kernels
from kakusan.runtime.changes import changes
from kakusan.runtime.native.calls import TYPES

NetworkT = TypeVar("NetworkT", bound=nn.Module)
# Copies of a network that wait to be used again
MOST_COPIES = 8
# Of them those with weights of their own, as a part of the network's, above this
MOST_MERGED, LARGE = 2, 0.1

_AT_A_TIME = 1 << 20  # values

_Key = tuple[AdapterSet, bool]
_BESIDE: Mapping[type[nn.Module], type[nn.Module]] = {Linear: AdaptedLinear, Conv2d: AdaptedConv2d}


def held(module: nn.Module, kind: str) -> dict[str, Any]:
    """The mapping of a module's own `_parameters`, `_buffers` or `_modules`."""
    return module.__dict__[kind]


class Scaled(NamedTuple):
    """A change at a strength."""

    change: Change
    strength: float


def changes_of(worn: AdapterSet) -> dict[str, list[Scaled]]:
    """By the parameter's name what is done to it, in order."""
    found: dict[str, list[Scaled]] = {}
    for each in worn:
        for name, change in each.adapter.parts.get(each.part, {}).items():
            if strength := each.strength_of(name):
                found.setdefault(name, []).append(Scaled(change, strength))
    return found


@torch.no_grad()
def merged(parameter: Tensor, scaled: Sequence[Scaled]) -> nn.Parameter:
    """A parameter with changes added to it, in float32, and rounded once.

    Those that depend on the weight see it with earlier ones in it; the others add up.
    """
    plain, products = plain_tensor(parameter.detach()), _products(scaled)
    if products is not None:
        value = _with_products(plain, products)
    else:
        value = original = plain.float()
        for change, strength in scaled:
            seen = value if change.depends_on_weight else original
            value = torch.add(value, change.delta(seen), alpha=strength)
        value = value.to(plain.dtype)
    return nn.Parameter(value, requires_grad=parameter.requires_grad)


def _with_products(weight: Tensor, products: Sequence[LowRank]) -> Tensor:
    """The same for products alone, some rows at a time: what is in float32 stays in the cache."""
    made, count = torch.empty_like(weight), weight[0].numel()
    factors = [
        (up.to(weight.device, torch.float32), down.to(weight.device, torch.float32).flatten(1), by)
        for down, up, by in products
    ]
    several = max(1, _AT_A_TIME // count)
    for start in range(0, len(weight), several):
        rows = slice(start, start + several)
        value = weight[rows].to(torch.float32, copy=True).reshape(-1, count)
        for up, down, by in factors:
            value.addmm_(up[rows].flatten(1), down, alpha=by)
        made[rows] = value.view(-1, *weight.shape[1:])
    return made


def adapted(network: NetworkT, worn: AdapterSet, dtype: torch.dtype, *, merge: bool) -> NetworkT:
    """A copy of a network with adapters on.

    Args:
        dtype: what it computes in.
        merge: whether changes of low rank are added to the weights, too.
    """
    by_module: dict[str, dict[str, list[Scaled]]] = {}
    for name, scaled in changes_of(worn).items():
        path, _, leaf = name.rpartition(".")
        by_module.setdefault(path, {})[leaf] = scaled
    made = _copied(network)
    copies: dict[str, nn.Module] = {"": made}
    for path, own in by_module.items():
        module = _copy_at(copies, path)
        for name, scaled in own.items():
            parameter = held(module, "_parameters")[name]
            assert parameter is not None
            # what is in blocks would be many times as large
            into = merge and not isinstance(parameter, QuantizedTensor)
            products = None if into or name != "weight" else _products(scaled)
            if products is None or type(module) not in _BESIDE:
                held(module, "_parameters")[name] = merged(parameter, scaled)
            else:
                _put_beside(module, [_placed(each, parameter, dtype) for each in products])
                parent = copies[path.rpartition(".")[0]]
                if type(parent) is GEGLU:  # which takes the layer's weight, and not the layer
                    parent.__class__ = AdaptedGEGLU
    return made


def _copied(module: NetworkT) -> NetworkT:
    """A module that shares parameters and children, and can have others.

    Methods that were replaced in this one alone, as compiled ones are, compute with this one.
    """
    kind = type(module)
    made = kind.__new__(kind)
    state = {
        name: value
        for name, value in module.__dict__.items()
        if name != "_compiled_call_impl" and not callable(getattr(kind, name, None))
    }
    for name in ("_parameters", "_buffers", "_modules"):
        state[name] = dict(state[name])
    made.__dict__.update(state)
    return made


def _copy_at(copies: dict[str, nn.Module], path: str) -> nn.Module:
    """The copy of a module, made with those around it where there is none yet."""
    if path not in copies:
        above, _, name = path.rpartition(".")
        parent = _copy_at(copies, above)
        child = held(parent, "_modules")[name]
        assert child is not None
        copies[path] = held(parent, "_modules")[name] = _copied(child)
    return copies[path]


def _products(scaled: Sequence[Scaled]) -> list[LowRank] | None:
    """All changes of one weight as products of low rank; None where one is none."""
    found: list[LowRank] = []
    for change, strength in scaled:
        factors = change.factors
        if factors is None:
            return None
        found.append(factors._replace(scale=factors.scale * strength))
    return found


def _put_beside(module: nn.Module, products: Sequence[LowRank]) -> None:
    module.__class__ = _BESIDE[type(module)]
    module.__dict__["beside"] = tuple(products)


def _placed(factors: LowRank, weight: Tensor, dtype: torch.dtype) -> LowRank:
    """Factors where a weight is, in a dtype that its layer can compute with at once."""

    def placed(factor: Tensor) -> Tensor:
        own = weight.device.type == "cpu" and kernels.available(dtype) and factor.dtype in TYPES
        return factor.to(weight.device, None if own else dtype)

    down, up, scale = factors
    down, up = placed(down), placed(up)
    if weight.ndim == 4:
        down = down.reshape(len(down), -1, *weight.shape[2:])
        up = up.reshape(*up.shape[:2], 1, 1)
    return LowRank(down, up, scale)


class Copies:
    """The copies of one network with adapters on, as long as its weights stay what they are.

    A copy of the network, or one that is read back, has none yet.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._made: dict[_Key, nn.Module] = {}
        self._large: set[_Key] = set()
        self._seen: list[_Seen] = []

    def __reduce__(self) -> tuple[Any, ...]:
        return Copies, ()

    def __deepcopy__(self, memo: dict[int, Any]) -> "Copies":
        return Copies()

    def of(
        self, network: NetworkT, worn: AdapterSet, make: Callable[[], NetworkT], *, merge: bool
    ) -> NetworkT:
        """The copy with these adapters on, which is made where there is none."""
        key = (worn, merge)
        with self._turn:
            if not (self._seen and all(each.is_as_it_was() for each in self._seen)):
                self._made.clear()
                self._seen = list(_all_of(network))
            made = self._made.pop(key, None)
            if made is None:
                made = make()
                large = _own_part(made, network) > LARGE
                self._make_room(large=large)
                self._large = {each for each in self._large if each in self._made}
                self._large |= {key} if large else set()
            self._made[key] = made  # the last one to go
            return cast(NetworkT, made)

    def clear(self) -> None:
        """Hold none."""
        with self._turn:
            self._made.clear()
            self._large.clear()
            self._seen.clear()

    def _make_room(self, *, large: bool) -> None:
        while len(self._made) >= MOST_COPIES:
            del self._made[next(iter(self._made))]
        others = [key for key in self._made if key in self._large]
        while large and len(others) >= MOST_MERGED:
            del self._made[others.pop(0)]


def _own_part(copy: nn.Module, network: nn.Module) -> float:
    """How much of its weights a copy does not share."""
    shared = {id(each) for each in network.parameters()}
    sizes = [(each.numel(), id(each) in shared) for each in copy.parameters()]
    total = sum(size for size, _ in sizes)
    return sum(size for size, is_shared in sizes if not is_shared) / max(total, 1)


class _Seen(NamedTuple):
    """A parameter, a buffer or a module where it was found.

    Attributes:
        holder: the mapping that has it.
        version: how often its values were changed.
        place: of its memory; None where that cannot be told.
    """

    holder: Mapping[str, object]
    name: str
    value: object
    version: int = 0
    place: int | None = None

    def is_as_it_was(self) -> bool:
        value = self.holder.get(self.name)
        if value is not self.value:
            return False
        return not isinstance(value, Tensor) or (changes(value), _place(value)) == self[3:]


def _all_of(network: nn.Module) -> Iterator[_Seen]:
    for module in network.modules():
        for holder in (held(module, "_parameters"), held(module, "_buffers")):
            for name, tensor in holder.items():
                if tensor is not None:
                    yield _Seen(holder, name, tensor, changes(tensor), _place(tensor))
        for name, child in held(module, "_modules").items():
            yield _Seen(held(module, "_modules"), name, child)


def _place(tensor: Tensor) -> int | None:
    if isinstance(tensor, QuantizedTensor):
        return tensor.blocks.data_ptr()
    return tensor.data_ptr()
