"""The API that ComfyUI's clients speak, for its default graphs, on a port of its own."""

from kakusan.server.dialects.comfyui.app import app

__all__ = ["app"]
