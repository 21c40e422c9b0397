"""ComfyUI's graphs of nodes, walked back from the picture."""

from kakusan.images.foreign.comfyui.reading import read_graphs, read_objects

__all__ = ["read_graphs", "read_objects"]
