"""Whatever a graph looks like, it is drawn or refused in one line."""

import copy
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from kakusan.errors import InputError
from kakusan.server.dialects.comfyui.body import body_of
from kakusan.server.dialects.comfyui.latents import steps_of
from kakusan.server.dialects.comfyui.nodes import KINDS
from kakusan.server.dialects.comfyui.plan import planned, settings_of
from kakusan.server.dialects.comfyui.refusals import GraphError
from kakusan.server.dialects.comfyui.validation import checked
from tests.server.dialects.comfyui.graphs import DEFAULT, over_a_picture
from tests.server.dialects.comfyui.test_validation import CHOICES

GRAPHS = [DEFAULT, over_a_picture()]
NAMES = sorted({name for kind in KINDS.values() for name in kind.inputs})
LINKS = st.tuples(
    st.sampled_from([*DEFAULT, *over_a_picture(), "99"]) | st.integers(0, 12), st.integers(0, 3)
).map(list)
VALUES = (
    LINKS
    | st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(
        ["euler", "normal", "builtin", "ink", "in.png", "alpha", "lanczos", "(a:1e999)"]
    )
    | st.lists(st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
)
NODES = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from([*KINDS, "Nothing"]),
        "inputs": st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=6),
    }
)
CHANGES = st.lists(
    st.tuples(st.sampled_from([*over_a_picture(), "5"]), st.sampled_from(NAMES), VALUES), max_size=4
)
MORE = st.dictionaries(st.sampled_from(["20", "21", "22"]), NODES, max_size=3)


@given(base=st.sampled_from(GRAPHS), changes=CHANGES, more=MORE)
@settings(max_examples=400, deadline=None)
def test_every_graph_is_drawn_or_refused(base: Any, changes: Any, more: Any) -> None:
    graph = copy.deepcopy(base) | more
    for node, name, value in changes:
        if node in graph:
            graph[node]["inputs"][name] = value
    try:
        found = checked(graph, CHOICES)
        plan = planned(found)
        told = settings_of(plan, "SDXL")
    except GraphError as error:
        json.dumps(error.answer)
        return
    except InputError:
        return
    json.dumps(told)
    assert plan.count >= 1
    assert set(plan.order) <= set(graph)
    assert steps_of(plan.begun, 20).keys() <= {"num_inference_steps", "strength"}


@given(st.recursive(VALUES, lambda inner: st.dictionaries(st.text(max_size=9), inner, max_size=4)))
def test_every_body_is_read_or_refused(body: Any) -> None:
    for told in (body, {"prompt": body}, {"prompt": DEFAULT, "prompt_id": body, "number": body}):
        try:
            body_of(told)
        except GraphError as error:
            json.dumps(error.answer)
