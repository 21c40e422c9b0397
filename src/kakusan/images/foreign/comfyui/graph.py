"""ComfyUI's graph: nodes with values and links, as the `prompt` of its API has them."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from kakusan.images.foreign.fields import as_list, as_object

MOST_NODES = 50_000
_DEEPEST = 40  # of texts that are made of texts
_LONGEST = 1_000_000  # characters of such a text
_LONGEST_WAY = 2000  # nodes that a value passes through
_REROUTES = ("Reroute", "Reroute (rgthree)", "ReroutePrimitive|pysssss", "Anything Everywhere")
# What the outputs of rgthree's context nodes are, which are inputs of the same names
CONTEXTS = ("Context (rgthree)", "Context Big (rgthree)")
_OF_A_CONTEXT = (
    *("base_ctx", "model", "clip", "vae", "positive", "negative", "latent", "images", "seed"),
    *("steps", "step_refiner", "cfg", "ckpt_name", "sampler", "scheduler"),
)
# Where nodes that only hold a value have it, the likeliest first
_VALUES = (
    *("value", "populated_text", "text", "string", "String", "prompt", "Text", "text_0"),
    *("seed", "noise_seed", "int", "Int", "float", "Number", "number", "a", "Value", "INT"),
)
_PARTS = (
    *("string_a", "string_b", "text_a", "text_b", "text_c", "text_d", "text1", "text2", "text3"),
    *("string1", "string2", "prepend", "text", "append", "part1", "part2"),
)


class Node(NamedTuple):
    """One node.

    Attributes:
        inputs: its values; a list of a node's id and a slot's number is a link.
        skipped: whether it is switched off, and passes on what comes in.
    """

    id: str
    kind: str
    inputs: Mapping[str, object]
    skipped: bool = False


class Graph:
    """The nodes by id; every walk through them ends, whatever goes in circles."""

    def __init__(self, nodes: Mapping[str, Node]) -> None:
        self.nodes = nodes
        self._outputs: dict[tuple[str, int, str], object] = {}

    def linked(self, node: Node, name: str) -> tuple[Node, int] | None:
        """The node that an input comes from, and by which of its outputs."""
        return self._far_end(node.inputs.get(name))

    def links(self, node: Node) -> Iterator[tuple[str, Node, int]]:
        """Every input that is a link: its name, the node and the slot."""
        for name, value in node.inputs.items():
            found = self._far_end(value)
            if found is not None:
                yield name, *found

    def _far_end(self, value: object) -> tuple[Node, int] | None:
        """Where a link leads, through nodes that only pass on."""
        for _ in range(_LONGEST_WAY):
            link = as_link(value)
            node = self.nodes.get(link[0]) if link is not None else None
            if node is None or link is None:
                return None
            if node.kind in CONTEXTS and 0 < link[1] < len(_OF_A_CONTEXT):
                value = _of_a_context(node, link[1])
                continue
            if node.kind not in _REROUTES and not node.skipped:
                return node, link[1]
            inputs = [each for each in node.inputs.values() if as_link(each) is not None]
            slot = link[1] if node.skipped and link[1] < len(inputs) else 0
            value = inputs[slot] if inputs else None
        return None

    def value(self, node: Node, name: str, depth: int = 0) -> object:
        """An input's value, wherever in the graph it is set; None where that cannot be told."""
        value = node.inputs.get(name)
        if as_link(value) is None:
            return value if isinstance(value, str | int | float | bool) else None
        found = self._far_end(value)
        if found is None or depth > _DEEPEST:
            return None
        key = (found[0].id, found[1], name)
        if key not in self._outputs:
            self._outputs[key] = None  # while it is looked for, so that circles end
            self._outputs[key] = self._output(*found, wanted=name, depth=depth + 1)
        return self._outputs[key]

    def _output(self, node: Node, slot: int, *, wanted: str, depth: int) -> object:
        parts = [name for name in _PARTS if name in node.inputs]
        if len(parts) > 1 and "clip" not in node.inputs:
            texts = [self.value(node, name, depth) for name in parts]
            between = node.inputs.get("delimiter", "" if "string_a" in node.inputs else ", ")
            told = [each for each in texts if isinstance(each, str) and each]
            return str(between)[:1000].join(told) if 0 < sum(map(len, told)) < _LONGEST else None
        roles = ("text_positive", "text_negative")
        if node.inputs.keys() >= set(roles) and slot < 2:
            return self.value(node, roles[slot], depth)
        for name in (wanted, *_VALUES):
            if name in node.inputs:
                return self.value(node, name, depth)
        alone = [name for name, each in node.inputs.items() if as_link(each) is None]
        return self.value(node, alone[0], depth) if len(alone) == 1 else None


def _of_a_context(node: Node, slot: int) -> object:
    """What is put into it, else the same of the context that it is made from."""
    own, base = node.inputs.get(_OF_A_CONTEXT[slot]), as_link(node.inputs.get("base_ctx"))
    return own if own is not None or base is None else [base[0], slot]


def as_link(value: object) -> tuple[str, int] | None:
    """A link's node and slot; None for a value."""
    pair = as_list(value)
    if len(pair) != 2 or not isinstance(pair[0], str | int) or isinstance(pair[0], bool):
        return None
    slot = pair[1]
    return (str(pair[0]), slot) if isinstance(slot, int) and 0 <= slot < 10_000 else None


def graph_of_prompt(told: Mapping[str, object]) -> Graph | None:
    """A graph in the API's form; None where no node is in it."""
    nodes: dict[str, Node] = {}
    for name, each in told.items():
        node = as_object(each)
        kind = node.get("class_type") if node is not None else None
        if node is not None and isinstance(kind, str) and len(nodes) < MOST_NODES:
            nodes[name] = Node(name, kind[:200], as_object(node.get("inputs")) or {})
    return Graph(nodes) if nodes else None
