"""The body of `POST /prompt`."""

import json
import math
from typing import Any, NamedTuple, cast
from uuid import UUID

from kakusan.errors import shown
from kakusan.server.dialects.comfyui import refusals
from kakusan.server.dialects.comfyui.answers import LONGEST_ID
from kakusan.server.dialects.comfyui.refusals import GraphError

_LONGEST = 2**20  # characters of a graph, and of what comes beside it


class Body(NamedTuple):
    """What `POST /prompt` has.

    Attributes:
        ignored: what of it is not kept.
    """

    graph: dict[str, Any]
    prompt_id: str | None
    number: float | None
    front: bool
    extra: dict[str, Any]
    ignored: tuple[str, ...] = ()


def body_of(told: object) -> Body:
    """What a body asks for.

    Raises:
        GraphError: It has no graph, or something in it cannot be.
    """
    if not isinstance(told, dict):
        raise refusals.no_prompt()
    body = cast("dict[str, Any]", told)
    graph = body.get("prompt")
    if not isinstance(graph, dict) or not graph:
        raise refusals.no_prompt()
    if len(json.dumps(graph)) > _LONGEST:
        raise refusals.invalid_prompt(f"The graph is longer than {_LONGEST} characters.")
    prompt_id = body.get("prompt_id")
    if prompt_id is not None and not _is_canonical(prompt_id):
        raise bad_id(f"is {shown(prompt_id)}, and no UUID such as {UUID(int=0)}")
    number = body.get("number")
    if isinstance(number, bool) or not isinstance(number, int | float | None):
        raise refusals.invalid_prompt("The number is none.", refusals.short(number))
    if number is not None and not math.isfinite(number):
        raise refusals.invalid_prompt("The number is not finite.")
    extra = body.get("extra_data")
    extra = dict(cast("dict[str, Any]", extra)) if isinstance(extra, dict) else {}
    ignored: tuple[str, ...] = ()
    if len(json.dumps(extra)) > _LONGEST:
        extra, ignored = {}, (f"extra_data: it is longer than {_LONGEST} characters",)
    if isinstance(body.get("client_id"), str):
        extra["client_id"] = body["client_id"][:LONGEST_ID]
    front, told_graph = bool(body.get("front")), cast("dict[str, Any]", graph)
    return Body(told_graph, prompt_id, number, front, extra, ignored)


def _is_canonical(value: object) -> bool:
    try:
        return isinstance(value, str) and str(UUID(value)) == value
    except ValueError:
        return False


def bad_id(why: str) -> GraphError:
    """The answer to a prompt_id that cannot be taken."""
    return GraphError(refusals.fault("invalid_prompt_id", f"The prompt_id {why}."))
