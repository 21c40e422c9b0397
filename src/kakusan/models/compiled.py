"""Networks that `torch.compile` wrapped: the network within, which knows its files and its config.

The wrapper takes calls, and hands on every other attribute.
"""

from typing import TypeVar, cast

T = TypeVar("T")


def within(part: T) -> T:
    """The network that a compiled one computes with; everything else as it is."""
    # torch's class is not imported for this: that takes seconds, and compiling has done it
    is_compiled = type(part).__name__ == "OptimizedModule" and hasattr(part, "_orig_mod")
    return cast(T, part._orig_mod) if is_compiled else part  # pyright: ignore
