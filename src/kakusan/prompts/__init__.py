"""The grammars of prompts: AUTOMATIC1111's, ComfyUI's, compel's; wildcards; no torch."""

from kakusan.prompts.parsed import BREAK, Network, ParsedPrompt, Part, Segment, Timed, at_call

__all__ = ["BREAK", "Network", "ParsedPrompt", "Part", "Segment", "Timed", "at_call"]
