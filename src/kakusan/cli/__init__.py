"""The command `kakusan`. Nothing here imports torch before a command needs it."""

from kakusan.cli.app import app, main

__all__ = ["app", "main"]
