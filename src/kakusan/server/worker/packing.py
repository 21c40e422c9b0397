"""States as tensors and JSON, and back; classes are looked up in a fixed table, nothing is code."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

import kakusan.sampling
import kakusan.schedulers
from kakusan.errors import InputError, kind_of
from kakusan.schedulers.source import NoiseSource

_PLAIN = (bool, int, float, str)


def packed(value: object, tensors: dict[str, Tensor]) -> Any:
    """A state as JSON; its tensors are put into `tensors`.

    Raises:
        InputError: Something of it is of a kind that is not kept.
    """
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, Tensor):
        name = f"t{len(tensors)}"
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        return {"tensor": name, "here": value.device.type == "cpu"}
    if isinstance(value, NoiseSource):
        return {"source": True}  # the way's own, which is made anew
    if isinstance(value, torch.device):
        return {"device": str(value)}
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if name in _kinds():
        each = value if isinstance(value, tuple) else _fields(value)
        return {"kind": name, "of": [packed(part, tensors) for part in cast("Any", each)]}
    if type(value) in (tuple, list):
        parts = [packed(part, tensors) for part in cast("list[object]", value)]
        return {"tuple" if isinstance(value, tuple) else "list": parts}
    raise InputError(f"a state holds {kind_of(value)}, which is not kept")


def unpacked(
    told: Any, tensors: Mapping[str, Tensor], device: torch.device, source: NoiseSource | None
) -> Any:
    """What `packed` was given.

    Args:
        device: of tensors that were not on the CPU.
        source: the way's own stream of noise.

    Raises:
        InputError: It is no such thing.
    """

    def read(each: Any) -> Any:
        return unpacked(each, tensors, device, source)

    match told:
        case None | bool() | int() | float() | str():
            return told
        case {"tensor": str(name), "here": bool(here)} if name in tensors:
            return tensors[name] if here else tensors[name].to(device)
        case {"source": True} if source is not None:
            return source
        case {"device": str(name)}:
            return torch.device(name)
        case {"kind": str(name), "of": list(parts)} if name in _kinds():
            return _kinds()[name](*map(read, cast("list[Any]", parts)))
        case {"tuple": list(parts)}:
            return tuple(map(read, cast("list[Any]", parts)))
        case {"list": list(parts)}:
            return list(map(read, cast("list[Any]", parts)))
        case _:
            raise InputError("a kept state is broken")


def _fields(value: Any) -> list[object]:
    return [getattr(value, each.name) for each in dataclasses.fields(value)]


@cache
def _kinds() -> dict[str, type[Any]]:
    """The plain values that schedulers and ways have, by module and name."""
    found: dict[str, type[Any]] = {}
    for room in (kakusan.schedulers, kakusan.sampling):
        for module in _modules(room):
            for kind in vars(module).values():
                if (
                    isinstance(kind, type)
                    and kind.__module__ == module.__name__
                    and _is_plain(kind)
                ):
                    found[f"{module.__name__}:{kind.__qualname__}"] = kind
    return found


def _modules(room: ModuleType) -> list[ModuleType]:
    names = [each.name for each in pkgutil.iter_modules(room.__path__)]
    return [importlib.import_module(f"{room.__name__}.{name}") for name in names]


def _is_plain(kind: type[Any]) -> bool:
    return (issubclass(kind, tuple) and hasattr(kind, "_fields")) or dataclasses.is_dataclass(kind)
