"""Adapters: files that change some of a model's weights (LoRA and its relatives)."""
