"""The name of the module that scripts import loaders of adapters from; it has none."""

from kakusan.later import missing_name

__all__: list[str] = []


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.loaders", name, __all__)
