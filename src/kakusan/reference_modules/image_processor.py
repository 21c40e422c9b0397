"""The name of the module that scripts import `VaeImageProcessor` from."""

from kakusan.later import missing_name
from kakusan.pipeline import VaeImageProcessor

__all__ = ["VaeImageProcessor"]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.image_processor", name, __all__)
