"""Who may ask, from where, and how much: the same for every API, before any of them is called."""

from kakusan.server.access.callers import Caller, caller_of
from kakusan.server.access.strict_json import json_of, parsed

__all__ = ["Caller", "caller_of", "json_of", "parsed"]
