"""From what pictures of other tools tell to requests, and how near the result comes; no torch."""

from kakusan.interchange.adapters import FoundAdapter, find_adapter
from kakusan.interchange.like import files_of, settings_of, with_typed
from kakusan.interchange.likeness import Likeness, likeness
from kakusan.interchange.models import Candidate, find_named, says_which
from kakusan.interchange.rules import Translation, check_can_be_made, translated

__all__ = [
    "Candidate",
    "FoundAdapter",
    "Likeness",
    "Translation",
    "check_can_be_made",
    "files_of",
    "find_adapter",
    "find_named",
    "likeness",
    "says_which",
    "settings_of",
    "translated",
    "with_typed",
]
