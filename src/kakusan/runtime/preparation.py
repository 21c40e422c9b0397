"""How one network is made to compute: in what dtype and layout, and in float32 where that is short.

`kakusan.runtime.precision` says what should be; here it is done to a network's weights, and undone
before they are moved or cast.
"""

import copy
import threading
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from kakusan.runtime import kernels
from kakusan.runtime.precision import compute_dtype

_PREPARING = threading.Lock()  # a second thread must not meet weights that are half done
Network = TypeVar("Network", bound=nn.Module)


class Preparation:
    """What a network's weights are stored in, and what they were made to compute in.

    Args:
        own: The modules whose parameters the package's kernels read in any dtype.
        needs_float32: Whether float16 is known to overflow in this network. bfloat16 has the range
            of float32 and does not.
    """

    def __init__(self, own: tuple[type[nn.Module], ...], *, needs_float32: bool) -> None:
        self._own, self._needs_float32 = own, needs_float32
        self._stored: torch.dtype | None = None
        self._computes_in: torch.dtype | None = None
        self._channels_last = False
        self._upcast: list[nn.Module] = []  # in a list, so that it is no part of the network

    def stored(self, network: nn.Module) -> torch.dtype:
        """The dtype that was asked for, whatever `apply` made of it."""
        return self._stored or _dtype(network)

    def computes_in(self, network: nn.Module, device: torch.device | None = None) -> torch.dtype:
        """The dtype of what flows between the layers; on another device, if that is given."""
        if self._computes_in is not None and device in (None, _device(network)):
            return self._computes_in
        return self.wanted(self.stored(network), device or _device(network))

    def wanted(self, stored: torch.dtype, device: torch.device) -> torch.dtype:
        """What a network with weights stored in `stored` computes in on a device."""
        if self._needs_float32 and stored == torch.float16:
            return torch.float32
        return compute_dtype(stored, device)

    def apply(self, network: nn.Module, check: Callable[[], None]) -> None:
        """Bring the weights into the dtype and layout that compute fast; once.

        float16 weights on a CPU are cast: it has no fast instructions for them. Where the package's
        own kernels compute, which read parameters of any dtype in the order of the file, these stay
        as they are, and only what torch computes with is cast. Networks that torch computes in 16
        bits are laid out channels last, the order that its kernels and the transformers both work
        in. Float32 networks are not: torch's group normalisation is only accurate to 1e-5 then, on
        a CPU.

        Args:
            check: Called first, and not by two threads at a time.
        """
        with _PREPARING:
            check()
            if self._computes_in is not None:
                return
            stored, device = _dtype(network), _device(network)
            dtype = self.wanted(stored, device)
            own = device.type == "cpu" and kernels.available(dtype)
            channels_last = dtype.itemsize == 2 and not own
            if self._channels_last and not channels_last:
                network.to(memory_format=torch.contiguous_format)  # pyright: ignore[reportCallIssue]
            if dtype != stored and own:
                self._cast_what_torch_computes(network, dtype)
            elif dtype != stored:
                network.to(dtype)
            if channels_last and not self._channels_last:
                network.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
            self._channels_last = channels_last
            self._stored, self._computes_in = stored, dtype

    def undo(self, network: nn.Module) -> None:
        """Store the weights as they were; whatever moves or casts them starts from that."""
        if self._stored is not None and self._stored != self._computes_in:
            for parameter in network.parameters():
                parameter.data = parameter.data.to(self._stored)
        self._stored = self._computes_in = None
        self._upcast.clear()

    def upcast(self, network: Network) -> Network:
        """A float32 copy of a 16-bit network, for where 16 bits overflow; made once."""
        with _PREPARING:
            if not self._upcast:
                made = copy.deepcopy(network).to(torch.float32)
                self._upcast.append(made.to(memory_format=torch.contiguous_format))  # pyright: ignore
            return self._upcast[0]  # pyright: ignore[reportReturnType]

    def forget_upcast(self) -> None:
        """Have `upcast` make another copy."""
        self._upcast.clear()

    def _cast_what_torch_computes(self, network: nn.Module, dtype: torch.dtype) -> None:
        for module in network.modules():
            if not isinstance(module, self._own):
                for parameter in module.parameters(recurse=False):
                    parameter.data = parameter.data.to(dtype)


def _first(network: nn.Module) -> Tensor:
    return next(network.parameters())


def _dtype(network: nn.Module) -> torch.dtype:
    return _first(network).dtype


def _device(network: nn.Module) -> torch.device:
    return _first(network).device
