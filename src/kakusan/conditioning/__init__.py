"""From texts to what the UNet is conditioned on."""

from kakusan.conditioning.clip import encode_texts

__all__ = ["encode_texts"]
