"""Weights of fewer than 16 bits: how their blocks are laid out, and tensors that stay in blocks."""
