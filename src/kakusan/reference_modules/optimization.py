"""The name of the module that scripts import schedules of learning rates from; it has none."""

from kakusan.later import missing_name

__all__: list[str] = []


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.optimization", name, __all__)
