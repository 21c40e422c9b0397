"""What pictures of other tools tell of how they were made."""

from kakusan.images.foreign.reading import read_foreign, told_by
from kakusan.images.foreign.told import Embedding, Lora, Settings, Told

__all__ = ["Embedding", "Lora", "Settings", "Told", "read_foreign", "told_by"]
