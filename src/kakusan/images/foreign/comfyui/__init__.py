"""ComfyUI's graphs of nodes, walked back from the picture."""

from kakusan.images.foreign.comfyui.reading import Drawn, drawn_at, read_graphs, read_objects

__all__ = ["Drawn", "drawn_at", "read_graphs", "read_objects"]
