"""Networks made to compute: where, in what precision, and which calls go together."""

from kakusan.engine.engine import Engine
from kakusan.engine.overflow import Computed, overflow_note
from kakusan.engine.parts import present
from kakusan.engine.placement import Placement

__all__ = ["Computed", "Engine", "Placement", "overflow_note", "present"]
