"""From texts to what the UNet is conditioned on."""

from kakusan.conditioning.clip import check_clip_skip, encode_texts
from kakusan.conditioning.pair import encode_pairs

__all__ = ["check_clip_skip", "encode_pairs", "encode_texts"]
