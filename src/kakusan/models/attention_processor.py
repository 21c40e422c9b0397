"""The name of the module that scripts import ways to compute attention from."""

from kakusan.later import missing_name
from kakusan.models.familiar import AttnProcessor2_0

__all__ = ["AttnProcessor", "AttnProcessor2_0"]


class AttnProcessor(AttnProcessor2_0):
    """The older name of the same."""


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.models.attention_processor", name, __all__)
