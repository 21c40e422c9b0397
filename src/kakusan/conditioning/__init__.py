"""From texts to what the UNet is conditioned on."""

from kakusan.conditioning.clip import check_clip_skip, encode_texts, reader
from kakusan.conditioning.compel import Compel
from kakusan.conditioning.dialects import Comfy, Dialect, Webui
from kakusan.conditioning.emphasis import takes_any_weight
from kakusan.conditioning.pair import encode_pairs, readers
from kakusan.conditioning.reader import Reader
from kakusan.conditioning.schedules import Turns, empty_chunk, encode_parsed
from kakusan.conditioning.taught import Taught, taught

__all__ = [
    "Comfy",
    "Compel",
    "Dialect",
    "Reader",
    "Taught",
    "Turns",
    "Webui",
    "check_clip_skip",
    "empty_chunk",
    "encode_pairs",
    "encode_parsed",
    "encode_texts",
    "reader",
    "readers",
    "takes_any_weight",
    "taught",
]
