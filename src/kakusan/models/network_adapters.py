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
        fused_names: of those that were fused since `unfuse`, whether forgotten by now or not.
    """

    def __init__(self) -> None:
        self._loaded: dict[str, Worn] = {}
        self._active: dict[str, Worn] = {}
        self._enabled = True
        # what is in the weights, as it was added at once, and what is part of them for good
        self._fused: list[tuple[Fused, ...]] = []
        self._kept: list[Fused] = []
        # what stood in the place of merged parameters, by name
        self._originals: dict[str, nn.Parameter] = {}
        self.worn: AdapterSet = ()
        self.fused_names: set[str] = set()

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
        """Those that are in the weights and can be taken out, as they were added."""
        return tuple(each for several in self._fused for each in several)

    @property
    def in_weights(self) -> Sequence[Fused]:
        """Those, unless adapters are disabled, and those that were forgotten while in them."""
        return (*self._kept, *(self.fused if self._enabled else ()))

    def as_worn(self, name: str) -> Worn:
        """One that was loaded, as it is or was last on."""
        return self._loaded[name]

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
        self._loaded |= self._active
        self._update()

    @torch.no_grad()
    def enable(self, network: nn.Module, enabled: bool) -> None:
        """Have those on that are active, and those in the weights that are fused, or none."""
        if enabled != self._enabled and not enabled:
            self._restore(network)
        elif enabled != self._enabled:
            for several in self._fused:
                self._merge(network, several)
        self._enabled = enabled
        self._update()

    def delete(self, names: Iterable[str]) -> None:
        """Forget adapters; where all that are fused are among them, these stay in the weights."""
        gone = set(names)
        if gone >= {each.name for each in self.fused}:
            self._keep_fused()
        for name in gone:
            self._loaded.pop(name, None)
            self._active.pop(name, None)
        self._update()

    def forget_all(self) -> None:
        """Forget all; what was fused is part of the weights from now on."""
        self._keep_fused()
        self._loaded.clear()
        self._active.clear()
        self._enabled = True
        self._update()

    @torch.no_grad()
    def fuse(self, network: nn.Module, added: Mapping[str, Worn]) -> None:
        """Add adapters to the weights of a network, which keeps the plain ones aside."""
        several = tuple(Fused(name, each) for name, each in added.items())
        if self._enabled:
            self._merge(network, several)
        if several:
            self._fused.append(several)
            self.fused_names |= added.keys()
        self._update()

    @torch.no_grad()
    def unfuse(self, network: nn.Module) -> None:
        """Put the plain weights back, the very ones, where the network is now."""
        self._restore(network)
        self._fused.clear()
        self.fused_names.clear()
        self._update()

    def _keep_fused(self) -> None:
        """Have what is in the weights be part of them; what is fused but disabled is not."""
        if self._enabled:
            self._kept += self.fused
        self._fused.clear()
        self._originals.clear()

    def _merge(self, network: nn.Module, added: Sequence[Fused]) -> None:
        worn = acting(tuple(each.worn for each in added))
        places = _places(network)
        made = {
            name: merged(places[name].parameter, scaled)
            for name, scaled in changes_of(worn).items()
        }
        for name, parameter in made.items():  # all or none: nothing above changes anything
            self._originals.setdefault(name, places[name].parameter)
            places[name].put(parameter)

    def _restore(self, network: nn.Module) -> None:
        places = _places(network)
        for name, original in self._originals.items():
            now = places[name].parameter
            if (original.device, original.dtype) != (now.device, now.dtype):
                original.data = original.data.to(now.device, now.dtype)
            places[name].put(original)
        self._originals.clear()

    @property
    def on(self) -> Mapping[str, Worn]:
        """What a call has on, by name: not what is in the weights already."""
        fused = {each.name for each in self.fused}
        found = {name: worn for name, worn in self._active.items() if name not in fused}
        return found if self._enabled else {}

    def _update(self) -> None:
        self.worn = acting(tuple(self.on.values()))

    def __deepcopy__(self, memo: dict[int, Any]) -> "NetworkAdapters":
        """The same adapters, whose tensors nobody changes; a network that is copied has them."""
        made = NetworkAdapters()
        made._loaded, made._active = dict(self._loaded), dict(self._active)
        made._enabled = self._enabled
        made._fused, made._kept = list(self._fused), list(self._kept)
        made._originals = copy.deepcopy(self._originals, memo)
        made.worn, made.fused_names = self.worn, set(self.fused_names)
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
