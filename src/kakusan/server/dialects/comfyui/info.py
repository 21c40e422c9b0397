"""What `/object_info` says of each node, from which clients read lists of what there is."""

from typing import Any

from kakusan.server.dialects.comfyui.choices import Choices
from kakusan.server.dialects.comfyui.nodes import KINDS, Input, Kind


def object_info(choices: Choices, name: str | None = None) -> dict[str, Any]:
    """Of one class of nodes, or of all; empty where there is none of that name."""
    wanted = KINDS if name is None else {name: KINDS[name]} if name in KINDS else {}
    return {name: _of_kind(name, kind, choices) for name, kind in wanted.items()}


def _of_kind(name: str, kind: Kind, choices: Choices) -> dict[str, Any]:
    required = {key: each for key, each in kind.inputs.items() if each.required}
    optional = {key: each for key, each in kind.inputs.items() if not each.required}
    groups = {"required": required, **({"optional": optional} if optional else {})}
    return {
        "input": {
            group: {key: _of_input(each, choices) for key, each in inputs.items()}
            for group, inputs in groups.items()
        },
        "input_order": {group: list(inputs) for group, inputs in groups.items()},
        "output": list(kind.outputs),
        "output_is_list": [False] * len(kind.outputs),
        "output_name": list(kind.names or kind.outputs),
        "name": name,
        "display_name": kind.title,
        "description": kind.description,
        "python_module": "nodes",
        "category": kind.category,
        "output_node": kind.is_end,
    }


def _of_input(asked: Input, choices: Choices) -> list[Any]:
    """What stands for one input: its kind or list, and what may be said of it."""
    kind: Any = list(choices.of(asked)) if asked.is_choice else asked.kind
    said = {"default": asked.default, "min": asked.low, "max": asked.high, "step": asked.step}
    words = {key: value for key, value in said.items() if value is not None} | dict(asked.more)
    if asked.ignored is not None:
        words["tooltip"] = f"Changes nothing: {asked.ignored}."
    return [kind, words] if words else [kind]
