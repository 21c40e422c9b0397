"""From what pictures of other tools tell to requests, and how near the result comes; no torch."""

from kakusan.interchange.adapters import FoundAdapter, find_adapter
from kakusan.interchange.like import settings_of, with_typed
from kakusan.interchange.likeness import Likeness, likeness
from kakusan.interchange.models import Candidate, find_named, says_which
from kakusan.interchange.rules import Translation, check_can_be_made, translated
from kakusan.interchange.taken import (
    controls_of_record,
    learnt_told,
    taken_of_record,
    taken_of_told,
    with_learnt,
    without_files,
)

__all__ = [
    "Candidate",
    "FoundAdapter",
    "Likeness",
    "Translation",
    "check_can_be_made",
    "controls_of_record",
    "find_adapter",
    "find_named",
    "learnt_told",
    "likeness",
    "says_which",
    "settings_of",
    "taken_of_record",
    "taken_of_told",
    "translated",
    "with_learnt",
    "with_typed",
    "without_files",
]
