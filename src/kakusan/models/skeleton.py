"""Building a network without memory and without the work of filling it with random numbers."""

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

_RANDOM = frozenset({nn.init.normal_, nn.init.uniform_, nn.init.kaiming_uniform_})


@contextmanager
def skeleton() -> Generator[None, None, None]:
    """Networks that are built inside have shapes only; their weights must be assigned later."""
    with torch.device("meta"), _WithoutInitialisation():
        yield


class _WithoutInitialisation(TorchFunctionMode):
    """Makes the functions that layers are initialised with do nothing.

    On the meta device it would have no effect anyway, but the first normal distribution there makes
    torch import its compiler, which takes seconds.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func in _RANDOM:
            return args[0] if args else options["tensor"]
        return func(*args, **options)
