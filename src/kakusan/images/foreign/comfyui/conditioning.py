"""From a sampler's `positive` and `negative` back to their texts."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.images.foreign.fields import Fields

_MOST = 5000  # nodes on the way
_TEXTS = ("text", "text_g", "text_l", "prompt", "populated_text", "conditioning_text")
_ONWARDS = (
    *("conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from"),
    *("base_cond", "cond", "conds", "conditioning_a", "conditioning_b"),
)
_JOINED = ("ConditioningCombine", "ConditioningConcat", "ConditioningAverage")
_PLAIN = (
    *("CLIPTextEncode", "CLIPTextEncodeSDXL", "CLIPTextEncodeSDXLRefiner", "CLIPTextEncodeFlux"),
    *(*_JOINED, "ConditioningSetTimestepRange", "ConditioningSetArea", "ConditioningZeroOut"),
    *("ConditioningSetAreaPercentage", "ConditioningSetMask", "ControlNetApply"),
    *("ControlNetApplyAdvanced", "ControlNetApplySD3", "FluxGuidance", "Efficient Loader"),
    *("unCLIPConditioning", "InpaintModelConditioning", "smZ CLIPTextEncode"),
    "BNK_CLIPTextEncodeAdvanced",
)
_CHANGED = {
    "ConditioningSetTimestepRange": "a part of its prompt held for some of the steps only.",
    "ConditioningSetArea": "a part of its prompt held for a part of the picture only.",
    "ConditioningSetAreaPercentage": "a part of its prompt held for a part of the picture only.",
    "ConditioningSetMask": "a part of its prompt held for a part of the picture only.",
    "ConditioningZeroOut": "its negative prompt was nothing at all, and not an empty text.",
    "unCLIPConditioning": "another picture steered it (unCLIP).",
    "SDXLPromptStyler": "a style was put around its prompt, which the file does not hold.",
}


@dataclass
class Said:
    """The texts of one side, and what else is on the way to them."""

    texts: list[str] = field(default_factory=list[str])
    seconds: list[str] = field(default_factory=list[str])
    encoders: list[Node] = field(default_factory=list[Node])
    controls: list[Node] = field(default_factory=list[Node])
    strange: list[Node] = field(default_factory=list[Node])
    limits: list[str] = field(default_factory=list[str])

    @property
    def text(self) -> str | None:
        return ", ".join(text.strip() for text in self.texts) if self.texts else None

    @property
    def second(self) -> str | None:
        """SDXL's other text, where there is one that differs."""
        both = ", ".join(text.strip() for text in self.seconds)
        return both if self.seconds and both != self.text else None


def said_by(graph: Graph, start: tuple[Node, int] | None, role: str) -> Said:
    """What `role`, "positive" or "negative", says."""
    said, seen = Said(), set[str]()
    waiting = [] if start is None else [start]
    while waiting and len(seen) < _MOST:
        node, slot = waiting.pop()
        if node.id in seen:
            continue
        seen.add(node.id)
        if node.kind not in _PLAIN:
            said.strange.append(node)
        if node.kind in _CHANGED and not (
            node.kind == "ConditioningZeroOut" and role != "negative"
        ):
            said.limits.append(_CHANGED[node.kind])
        said.limits += weighed_otherwise(node)
        if node.kind == "ConditioningZeroOut":
            said.texts.append("")
        elif not _take_text(graph, node, role, said):
            said.controls.extend([node] if "control_net" in node.inputs else [])
            waiting.extend(reversed(list(_onwards(graph, node, slot))))
    if len(said.texts) > 1:
        said.limits.append(
            f"its {'prompt' if role == 'positive' else 'negative prompt'} was made of "
            f"{len(said.texts)} texts by nodes; here they stand one after the other."
        )
    return said


def weighed_otherwise(node: Node) -> list[str]:
    """What is to be said of a node that has a choice of how weights act."""
    ways = (("weight_interpretation", "comfy"), ("token_normalization", "none"))
    others = [node.inputs[k] for k, usual in ways if node.inputs.get(k, usual) != usual]
    if not others:
        return []
    named = ", ".join(each[:40] for each in others if isinstance(each, str))
    return [f"its prompt was weighted otherwise than ComfyUI does ({named})."]


def _onwards(graph: Graph, node: Node, slot: int) -> Iterator[tuple[Node, int]]:
    """Where its conditioning comes from: of nodes with two sides the one that was asked for."""
    roles = ("positive", "negative")
    if slot < 2 and (both := graph.linked(node, roles[slot])) is not None:
        yield both
        return
    names = [name for name in node.inputs if name in _ONWARDS]
    for name in names or [each for each in node.inputs if "cond" in each.casefold()]:
        found = graph.linked(node, name)
        if found is not None:
            yield found


def _take_text(graph: Graph, node: Node, role: str, said: Said) -> bool:
    """Whether it is a node that encodes a text."""
    if node.kind == "CLIPTextEncodeSDXL" or {"text_g", "text_l"} <= node.inputs.keys():
        first, second = (graph.value(node, name) for name in ("text_l", "text_g"))
        said.texts.append(str(first or ""))
        said.seconds.append(str(second or ""))
        said.encoders.append(node)
        return True
    for name in (*_TEXTS, role):
        if name in node.inputs and (name != role or graph.linked(node, name) is None):
            text = graph.value(node, name)
            if not isinstance(text, str):
                said.limits.append("a part of its prompt cannot be told from the graph.")
            said.texts.append(text if isinstance(text, str) else "")
            said.encoders.append(node)
            return True
    return False


def sizes_of(graph: Graph, encoders: list[Node]) -> dict[str, tuple[int, int]]:
    """SDXL's three sizes, as `Request` has them: (height, width), and (top, left)."""
    node = next((each for each in encoders if each.kind == "CLIPTextEncodeSDXL"), None)
    if node is None:
        return {}
    fields = Fields({name: graph.value(node, name) for name in node.inputs})
    pairs = {
        "original_size": ("height", "width"),
        "crops_coords_top_left": ("crop_h", "crop_w"),
        "target_size": ("target_height", "target_width"),
    }
    found = {
        name: tuple(fields.whole(side, low=0, high=65_535) for side in sides)
        for name, sides in pairs.items()
    }
    return {name: (a, b) for name, (a, b) in found.items() if a is not None and b is not None}
