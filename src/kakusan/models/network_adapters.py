"""The adapters that were loaded for one network: which are on, and which were fused into it."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from kakusan.checkpoints.adapters.adapter import Adapter
from kakusan.models.adapting import changes_of, held, merged
from kakusan.models.worn import AdapterSet, Worn, acting


class Fused(NamedTuple):
    """An adapter that was added to a network's weights."""

    name: str
    worn: Worn


class NetworkAdapters:
    """Adapters by the names that users gave them.

    Attributes:
        worn: what a call of the network has on.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Worn] = {}
        self._active: dict[str, Worn] = {}
        self._enabled = True
        self._fused: list[Fused] = []
        # what stood in the place of merged parameters, by name
        self._originals: dict[str, nn.Parameter] = {}
        self.worn: AdapterSet = ()

    @property
    def loaded(self) -> Mapping[str, Adapter]:
        """All, by name."""
        return {name: worn.adapter for name, worn in self._loaded.items()}

    @property
    def active(self) -> Mapping[str, Worn]:
        """Those that are on, by name, or would be if adapters were enabled."""
        return dict(self._active)

    @property
    def fused(self) -> Sequence[Fused]:
        """Those that are in the weights, as they were added."""
        return tuple(self._fused)

    def as_worn(self, name: str) -> Worn:
        """One that was loaded, as it is on, or else at full strength."""
        return self._active.get(name, self._loaded[name])

    def load(self, name: str, adapter: Adapter, part: str) -> None:
        """Know an adapter, and have it on beside the others."""
        self._loaded[name] = self._active[name] = Worn(adapter, part)
        self._update()

    def wear(self, worn: Mapping[str, tuple[float, tuple[tuple[str, float], ...]]]) -> None:
        """Have these on and no others, each at a strength, and at another in blocks of layers.

        Those that are not loaded for this network are left out.
        """
        self._active = {
            name: self._loaded[name]._replace(strength=strength, blocks=blocks)
            for name, (strength, blocks) in worn.items()
            if name in self._loaded
        }
        self._enabled = True
        self._update()

    def enable(self, enabled: bool) -> None:
        """Have those on that are active, or none."""
        self._enabled = enabled
        self._update()

    def delete(self, names: Iterable[str]) -> None:
        """Forget adapters; what was fused stays in the weights."""
        for name in names:
            self._loaded.pop(name, None)
            self._active.pop(name, None)
        self._update()

    def forget_all(self) -> None:
        """Forget all; what was fused is part of the weights from now on."""
        self._loaded.clear()
        self._active.clear()
        self._originals.clear()
        self._enabled = True
        self._update()

    @torch.no_grad()
    def fuse(self, network: nn.Module, added: Mapping[str, Worn]) -> None:
        """Add adapters to the weights of a network, which keeps the plain ones aside."""
        worn = acting(tuple(added.values()))
        places = _places(network)
        made = {
            name: merged(places[name].parameter, scaled)
            for name, scaled in changes_of(worn).items()
        }
        for name, parameter in made.items():  # all or none: nothing above changes anything
            self._originals.setdefault(name, places[name].parameter)
            places[name].put(parameter)
        self._fused += [Fused(name, each) for name, each in added.items()]
        self._update()

    @torch.no_grad()
    def unfuse(self, network: nn.Module) -> None:
        """Put the plain weights back, the very ones, where the network is now."""
        places = _places(network)
        for name, original in self._originals.items():
            now = places[name].parameter
            if (original.device, original.dtype) != (now.device, now.dtype):
                original.data = original.data.to(now.device, now.dtype)
            places[name].put(original)
        self._originals.clear()
        self._fused.clear()
        self._update()

    @property
    def on(self) -> Mapping[str, Worn]:
        """What a call has on, by name: not what is in the weights already."""
        fused = {each.name for each in self._fused}
        found = {name: worn for name, worn in self._active.items() if name not in fused}
        return found if self._enabled else {}

    def _update(self) -> None:
        self.worn = acting(tuple(self.on.values()))

    def __deepcopy__(self, memo: dict[int, Any]) -> "NetworkAdapters":
        """The same adapters, whose tensors nobody changes; a network that is copied has them."""
        made = NetworkAdapters()
        made._loaded, made._active = dict(self._loaded), dict(self._active)
        made._enabled, made._fused = self._enabled, list(self._fused)
        made._originals = copy.deepcopy(self._originals, memo)
        made.worn = self.worn
        memo[id(self)] = made
        return made


class _Place(NamedTuple):
    """Where a parameter is."""

    module: nn.Module
    name: str

    @property
    def parameter(self) -> nn.Parameter:
        found: Tensor | None = held(self.module, "_parameters")[self.name]
        assert isinstance(found, nn.Parameter)
        return found

    def put(self, parameter: nn.Parameter) -> None:
        held(self.module, "_parameters")[self.name] = parameter


def _places(network: nn.Module) -> dict[str, _Place]:
    return {
        f"{path}.{name}" if path else name: _Place(module, name)
        for path, module in network.named_modules()
        for name, parameter in held(module, "_parameters").items()
        if parameter is not None
    }
