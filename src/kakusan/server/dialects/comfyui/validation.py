"""A graph checked as ComfyUI checks it, before it is accepted."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from kakusan.errors import nearest
from kakusan.images.foreign.comfyui.graph import Graph, Node
from kakusan.server.dialects.comfyui import refusals
from kakusan.server.dialects.comfyui.choices import Choices
from kakusan.server.dialects.comfyui.nodes import KINDS, Input
from kakusan.server.dialects.comfyui.refusals import Fault, GraphError

MOST_NODES, MOST_ENDS = 1000, 50
_CIRCLE = "dependency_cycle"


@dataclass(frozen=True)
class Checked:
    """A graph of which something can be drawn.

    Attributes:
        graph: with values of the types that the nodes take.
        ends: the nodes where pictures come out that are in order.
        node_errors: what is wrong with the others, as ComfyUI says it.
        ignored: what was given and changes nothing, each "node.input: why".
    """

    graph: Graph
    ends: tuple[str, ...]
    node_errors: Mapping[str, Any]
    ignored: tuple[str, ...] = ()


def checked(prompt: object, choices: Choices) -> Checked:
    """See that every node is known and every input that leads to pictures can be used.

    Raises:
        GraphError: No output of it is in order.
    """
    graph = _graph_of(prompt)
    ends = [name for name, node in graph.nodes.items() if KINDS[node.kind].is_end]
    if not ends:
        raise GraphError(refusals.fault("prompt_no_outputs", "Prompt has no outputs"))
    if len(ends) > MOST_ENDS:
        raise refusals.invalid_prompt(f"The graph has {len(ends)} outputs; at most {MOST_ENDS}.")
    faults: dict[str, list[Fault]] = {}
    typed: dict[str, Node] = {}
    node_errors: dict[str, Any] = {}
    good: list[str] = []
    ignored: list[str] = []
    for end in ends:
        order, circle = before(graph, end)
        for name in order:
            if name not in typed:
                typed[name], faults[name], more = _checked_node(graph, graph.nodes[name], choices)
                ignored += more
        if circle is not None and not any(each["type"] == _CIRCLE for each in faults[circle]):
            message = "The links of the graph go in a circle"
            faults[circle].append(refusals.fault(_CIRCLE, message, circle))
        wrong = [name for name in order if faults[name]]
        good += [] if wrong else [end]
        for name in wrong:
            error = node_errors.setdefault(name, _node_error(graph.nodes[name], faults[name]))
            error["dependent_outputs"].append(end)
    if not good:
        raise refusals.failed(node_errors)
    return Checked(Graph({**graph.nodes, **typed}), tuple(good), node_errors, tuple(ignored))


def before(graph: Graph, end: str) -> tuple[list[str], str | None]:
    """Every node that leads to one, each after those that lead to it; and one on a circle."""
    order: dict[str, None] = {}
    open_ = {end: None}
    stack = [(end, iter(_sources(graph.nodes[end])))]
    circle: str | None = None
    while stack:
        name, rest = stack[-1]
        source = next((each for each in rest if each in graph.nodes and each not in order), None)
        if source is None:
            stack.pop()
            open_.pop(name, None)
            order[name] = None
        elif source in open_:
            circle = name
        else:
            open_[source] = None
            stack.append((source, iter(_sources(graph.nodes[source]))))
    return list(order), circle


def _sources(node: Node) -> Iterator[str]:
    kind = KINDS[node.kind]
    for name, value in node.inputs.items():
        link = link_of(value)
        if link is not None and name in kind.inputs:
            yield link[0]


def link_of(value: object) -> tuple[str, int] | None:
    """The node and the output that a link leads to; None where it is none."""
    if not isinstance(value, list) or len(cast("list[object]", value)) != 2:
        return None
    name, slot = cast("list[object]", value)
    if isinstance(name, bool) or isinstance(slot, bool) or not isinstance(slot, int):
        return None
    return (str(name), slot) if isinstance(name, str | int) and slot >= 0 else None


def _graph_of(prompt: object) -> Graph:
    """The nodes, whose classes are known.

    Raises:
        GraphError: It is no graph, or has a node of another class.
    """
    if not isinstance(prompt, dict) or not prompt:
        raise refusals.no_prompt()
    told = cast("dict[str, object]", prompt)
    if len(told) > MOST_NODES:
        raise refusals.invalid_prompt(f"The graph has {len(told)} nodes; at most {MOST_NODES}.")
    nodes: dict[str, Node] = {}
    for name, each in told.items():
        where = f"Node ID '#{refusals.short(name)}'"
        node = cast("dict[str, object]", each) if isinstance(each, dict) else {}
        kind, inputs = node.get("class_type"), node.get("inputs", {})
        if not isinstance(kind, str):
            raise refusals.invalid_prompt(
                "Cannot execute because a node is missing the class_type property.", where
            )
        if kind not in KINDS:
            raise refusals.invalid_prompt(
                f"Cannot execute because node {refusals.short(kind)} does not exist.",
                f"{where}: kakusan has no such node.{nearest(kind[:100], KINDS)}",
            )
        if not isinstance(inputs, dict):
            raise refusals.invalid_prompt("The inputs of a node are no object.", where)
        nodes[name] = Node(name, kind, cast("dict[str, object]", inputs))
    return Graph(nodes)


def _checked_node(
    graph: Graph, node: Node, choices: Choices
) -> tuple[Node, list[Fault], list[str]]:
    """The node with values of the right types, what is wrong with it, and what is ignored of it."""
    inputs = KINDS[node.kind].inputs
    found: dict[str, object] = {}
    faults: list[Fault] = []
    ignored = [
        f"{node.id}.{refusals.short(name)}: {node.kind} has no such input"
        for name in node.inputs
        if name not in inputs
    ]
    for name, asked in inputs.items():
        if name not in node.inputs:
            faults += [refusals.missing(name)] if asked.required else []
            continue
        value = node.inputs[name]
        try:
            if value is None and asked.kind == "STRING":
                ignored.append(f"{node.id}.{name}: null is taken for an empty text")
                value = ""
            if isinstance(value, list):
                found[name] = _checked_link(graph, name, asked, cast("list[object]", value))
                told = graph.value(node, name) if asked.is_value else None
                found[name] = (
                    found[name] if told is None else _checked_value(name, asked, told, choices)
                )
            else:
                found[name] = _checked_value(name, asked, value, choices)
        except _FaultError as error:
            faults.append(error.fault)
        if asked.ignored is not None:
            ignored.append(f"{node.id}.{name}: {asked.ignored}")
    return Node(node.id, node.kind, found), faults, ignored


class _FaultError(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault["message"])
        self.fault = fault


def _checked_link(graph: Graph, name: str, asked: Input, value: list[object]) -> list[object]:
    link = link_of(value)
    if link is None:
        raise _FaultError(refusals.bad_link(name, value, "which this is not"))
    source = graph.nodes.get(link[0])
    if source is None:
        raise _FaultError(refusals.bad_link(name, value, "and there is no such node"))
    outputs = KINDS[source.kind].outputs
    if link[1] >= len(outputs):
        raise _FaultError(refusals.bad_link(name, value, f"and {source.kind} has no such output"))
    if outputs[link[1]] != asked.kind:
        wanted = "COMBO" if asked.is_choice else asked.kind
        raise _FaultError(refusals.mismatch(name, outputs[link[1]], wanted))
    return [link[0], link[1]]


def _checked_value(name: str, asked: Input, value: object, choices: Choices) -> object:
    """A value of the input's type; ComfyUI makes numbers of texts, too."""
    if not asked.is_value:
        raise _FaultError(refusals.wrong_type(name, asked.kind, value))
    if asked.is_choice:
        if not choices.has(asked, value):
            raise _FaultError(refusals.not_in_list(name, value, choices.of(asked)))
        return value
    found = _converted(asked.kind, value)
    if found is None:
        raise _FaultError(refusals.wrong_type(name, asked.kind, value))
    if not isinstance(found, str) and not _within(found, asked):
        raise _FaultError(refusals.out_of_range(name, found, asked.low, asked.high))
    return found


def _within(value: float, asked: Input) -> bool:
    return (asked.low is None or value >= asked.low) and (asked.high is None or value <= asked.high)


def _converted(kind: str, value: object) -> str | int | float | None:
    if kind == "STRING":
        return str(value) if isinstance(value, str | int | float) else None
    if not isinstance(value, str | int | float):
        return None
    try:
        number = int(value) if kind == "INT" else float(value)
    except (ValueError, OverflowError):
        return None
    return number if isinstance(number, int) or math.isfinite(number) else None


def _node_error(node: Node, faults: list[Fault]) -> dict[str, Any]:
    return {"errors": faults, "dependent_outputs": [], "class_type": node.kind}
