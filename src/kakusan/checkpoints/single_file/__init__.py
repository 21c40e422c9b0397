"""Whole models and parts in one file: what is in it, under which names, and of which family."""
