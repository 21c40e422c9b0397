"""The part of a pipeline that steers it, and what is said where it is missing."""

from collections.abc import Mapping
from typing import Any

from kakusan.errors import RequestError
from kakusan.models import Model
from kakusan.pipeline.parts import SEVERAL, Layout, check_kinds, check_union, nets_of

_WORDS = {"controlnet": "ControlNet", "adapter": "T2I-Adapter"}


def steering_part(layout: Layout) -> str | None:
    """The name of the part that steers pipelines; None where none does."""
    return next((part for part in SEVERAL if part in layout.parts), None)


def check_is_steered(layout: Layout, given: Mapping[str, object]) -> None:
    """Raise RequestError where the part that steers is among those that are needed, and is not."""
    part = steering_part(layout)
    if part is not None and part not in given:
        raise _lacking(layout, part)


def steering_nets(layout: Layout, parts: Mapping[str, object]) -> tuple[object, list[Model[Any]]]:
    """The part that steers a call, and its networks.

    Raises:
        RequestError: There is none, or it is something else.
    """
    part = steering_part(layout)
    assert part is not None
    value = parts[part]
    if value is None:
        raise _lacking(layout, part)
    check_kinds({part: value})
    check_union(value, layout)
    return value, nets_of(value)


def _lacking(layout: Layout, part: str) -> RequestError:
    kind, word = "ControlNetModel", _WORDS[part]
    if layout.is_union:
        kind, word = "ControlNetUnionModel", "union of ControlNets"
    elif part == "adapter":
        kind = "T2IAdapter"
    has_own = part == "controlnet" and not layout.only_here
    where = '"builtin"' if has_own else "FOLDER_OR_ID"
    return RequestError(
        f"{layout.class_name} is steered by a {word}, and has none; give it "
        f"{part}={kind}.from_pretrained({where})"
    )
