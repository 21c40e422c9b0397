"""What a network computes with: config, dtype and device, and the adapters that it has on."""

from abc import ABCMeta
from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.weights import check_finite
from kakusan.errors import RequestError, shown
from kakusan.models.adapting import Copies, adapted
from kakusan.models.familiar import Familiar
from kakusan.models.layers.basic import Conv2d, GroupNorm, Linear
from kakusan.models.network_adapters import NetworkAdapters
from kakusan.models.worn import AdapterSet, Worn, acting
from kakusan.runtime.arena import reused
from kakusan.runtime.preparation import Preparation

CONFIG_FILE = "config.json"


class PublishedConfig(Protocol):
    """A config that has a published JSON form."""

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = CONFIG_FILE) -> Self: ...

    def to_published(self) -> dict[str, JSON]: ...


ConfigT = TypeVar("ConfigT", bound=PublishedConfig)


class _ByKeyword(ABCMeta):
    """Networks can be made with the fields of their published JSON as keywords, too."""

    def __call__(cls, *given: Any, **published: Any) -> Any:
        kind: type[object] | None = getattr(cls, "config_class", None)
        if kind is None or (given and isinstance(given[0], kind)):
            return super().__call__(*given, **published)
        return cast("type[Network[Any]]", cls).from_config(given[0] if given else published)


class Network(Familiar, Generic[ConfigT], metaclass=_ByKeyword):
    """A network that is built from a config.

    Attributes:
        config_class: the class of `config`.
        name_or_path: what it was loaded from, if that says it all; a request may name it so.
        adapters: those that were loaded for it, and which of them a call of it has on.
    """

    config_class: type[ConfigT]

    config: ConfigT

    @property
    def _needs_float32(self) -> bool:
        """Whether float16 is known to overflow in this network."""
        return False

    def __init__(self, config: ConfigT) -> None:
        super().__init__()
        self.config = config
        self.name_or_path: str | None = None
        self.adapters = NetworkAdapters()
        self._copies = Copies()
        self._unseen: str | None = None  # where weights come from that nobody looked at yet
        self._preparation = Preparation(
            (Conv2d, Linear, GroupNorm), needs_float32=self._needs_float32
        )

    @classmethod
    def from_config(cls, config: ConfigT | Mapping[str, JSON]) -> Self:
        """A network with fresh weights, from a config or from its published JSON.

        Raises:
            CheckpointError: the JSON has values that are not supported.
            RequestError: it is neither of them.
        """
        if isinstance(config, cls.config_class):
            return cls(config)
        if not isinstance(config, Mapping):
            raise RequestError(
                f"{cls.__name__}.from_config takes a config or its JSON, not {shown(config)}; "
                "from_pretrained takes a folder, load_config gives the config of one"
            )
        return cls(cls.config_class.from_published(config))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the weights are in."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def prepare(self) -> None:
        """Check loaded weights, and bring them into the dtype and layout that is fast; once.

        See `kakusan.runtime.preparation`.

        Raises:
            CheckpointError: The weights came from a file and some are NaN or infinite. Only now,
                because looking at them reads the whole file, which loading does not.
        """
        if not torch.compiler.is_compiling():  # a lock and a file are nothing to compile
            self._preparation.apply(self, self._check_weights)

    @property
    def stored_dtype(self) -> torch.dtype:
        """The dtype that was asked for, whatever `prepare` made of it."""
        return self._preparation.stored(self)

    @property
    def compute_dtype(self) -> torch.dtype:
        """The dtype of what flows between the layers."""
        return self._preparation.computes_in(self)

    def compute_dtype_on(self, device: torch.device) -> torch.dtype:
        """What `compute_dtype` is on a device that the network may have yet to come to."""
        return self._preparation.computes_in(self, device)

    def would_compute_in(self, stored: torch.dtype, device: torch.device) -> torch.dtype:
        """What `compute_dtype` is with weights in another dtype on a device."""
        return self._preparation.wanted(stored, device)

    def forget_upcast(self) -> None:
        """Have `upcast` make another copy, as after a change to this network."""
        self._preparation.forget_upcast()

    def upcast(self) -> Self:
        """A float32 copy of a 16-bit network, for where 16 bits overflow; made once."""
        return self._preparation.upcast(self)

    def wearing(self, worn: AdapterSet, *, merge: bool = False) -> Self:
        """This network with adapters on, and without those that it has on of itself.

        It shares what is not changed, and is to be used, not moved or cast; made anew where this
        one was changed since, and held for the next time.

        Args:
            merge: whether changes of low rank are added to weights, and not computed beside them.
        """
        worn = acting(worn)
        if not worn and not self.adapters.worn:
            return self
        self.prepare()
        return self._copies.of(self, worn, lambda: self._dressed(worn, merge=merge), merge=merge)

    def fuse(self, added: Mapping[str, Worn]) -> None:
        """Add adapters to the weights themselves, by the names that they were loaded under."""
        self.adapters.fuse(self, added)
        self.forget_upcast()

    def unfuse(self) -> None:
        """Have the weights again that were there before `fuse`, to the bit."""
        self.adapters.unfuse(self)
        self.forget_upcast()

    def switch_adapters(self, enabled: bool) -> None:
        """Have adapters act as they were put on and fused, or compute with the plain weights."""
        self.adapters.enable(self, enabled)
        self.forget_upcast()

    def _dressed(self, worn: AdapterSet, *, merge: bool) -> Self:
        made = adapted(self, worn, self.compute_dtype, merge=merge)
        made.adapters, made._copies = NetworkAdapters(), Copies()
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.adapters.worn:
            return _as_worn(self)(*args, **kwargs)
        with reused(self, keep=True):
            return super().__call__(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has: not the methods that were replaced in this one alone.

        A `decode` that was compiled for this network computes with its weights, whose copies may
        have another dtype.
        """
        return {
            name: value
            for name, value in super().__getstate__().items()
            if not callable(getattr(type(self), name, None))
        }

    def _check_weights(self) -> None:
        if self._unseen is not None:
            check_finite(self, where=self._unseen)
            self._unseen = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._preparation.undo(self)
        return super()._apply(fn, recurse)


def _dressed_itself(network: Network[Any]) -> Network[Any]:
    """A network as a call of it computes: with the adapters that it has on."""
    return network.wearing(network.adapters.worn)


# a lock and a cache are nothing to compile
_as_worn = cast(Callable[[Network[Any]], Network[Any]], torch.compiler.disable(_dressed_itself))
