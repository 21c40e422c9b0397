"""Graphs as clients send them."""

import copy
from typing import Any

Prompt = dict[str, Any]
DEFAULT: Prompt = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 8566257,
            "steps": 2,
            "cfg": 8,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "builtin"}},
    "5": {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 128, "height": 128, "batch_size": 1},
    },
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red circle", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "blurry", "clip": ["4", 1]}},
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {
        "class_type": "SaveImage",
        "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]},
        "_meta": {"title": "Save Image"},
    },
}


def changed(**nodes: tuple[str, dict[str, Any]] | None) -> Prompt:
    """The default graph with nodes of `_ID=(kind, inputs)` put in or over it, None takes it out."""
    graph = copy.deepcopy(DEFAULT)
    for name, node in nodes.items():
        if node is None:
            del graph[name[1:]]
            continue
        kind, inputs = node
        old = graph.get(name[1:], {"inputs": {}})
        kept = old["inputs"] if old.get("class_type") == kind else {}
        graph[name[1:]] = {"class_type": kind, "inputs": {**kept, **inputs}}
    return graph


def over_a_picture(name: str = "in.png", denoise: float = 0.5) -> Prompt:
    """Image-to-image as the editor's template has it."""
    return changed(
        _5=None,
        _10=("LoadImage", {"image": name}),
        _11=("VAEEncode", {"pixels": ["10", 0], "vae": ["4", 2]}),
        _3=("KSampler", {"latent_image": ["11", 0], "denoise": denoise}),
    )


def titled(graph: Prompt) -> Prompt:
    """The same with a title for each node, as the editor writes it."""
    return {
        name: {**copy.deepcopy(node), "_meta": {"title": node["class_type"]}}
        for name, node in graph.items()
    }
