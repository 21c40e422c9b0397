"""From texts to what the UNet is conditioned on."""

from kakusan.conditioning.clip import check_clip_skip, encode_texts

__all__ = ["check_clip_skip", "encode_texts"]
