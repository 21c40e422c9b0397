"""Why a graph is refused, in ComfyUI's words."""

from collections.abc import Mapping, Sequence
from typing import Any

from kakusan.errors import InputError
from kakusan.server.access.refusals import Said, authenticating
from kakusan.server.problems import Problem

Fault = dict[str, Any]

_MOST_LISTED = 20  # of a list in a message


class GraphError(InputError):
    """A graph that is not drawn.

    Attributes:
        error: `type`, `message`, `details` and `extra_info`.
        node_errors: by node what is wrong there.
    """

    def __init__(self, error: Fault, node_errors: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{error['message']} {error['details']}".strip())
        self.error, self.node_errors = error, dict(node_errors or {})

    @property
    def answer(self) -> dict[str, Any]:
        """The body of a 400."""
        return {"error": self.error, "node_errors": self.node_errors}


def fault(kind: str, message: str, details: str = "", **extra: Any) -> Fault:
    """One error; `extra` is `extra_info`."""
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def no_prompt() -> GraphError:
    return GraphError(fault("no_prompt", "No prompt provided", "the body has no graph in 'prompt'"))


def invalid_prompt(message: str, details: str = "") -> GraphError:
    return GraphError(fault("invalid_prompt", message, details))


def missing(name: str) -> Fault:
    return fault("required_input_missing", "Required input is missing", name, input_name=name)


def not_in_list(name: str, value: object, allowed: Sequence[str]) -> Fault:
    listed = str(list(allowed)) if len(allowed) <= _MOST_LISTED else ""
    listed = listed or f"(list of length {len(allowed)})"
    details = f"{name}: '{short(value)}' not in {listed}"
    extra = {"input_name": name, "received_value": short(value)}
    return fault("value_not_in_list", "Value not in list", details, **extra)


def out_of_range(name: str, value: float, low: float | None, high: float | None) -> Fault:
    extra = {"input_name": name, "received_value": value}
    if low is not None and value < low:
        message = f"Value {value} smaller than min of {low}"
        return fault("value_smaller_than_min", message, name, **extra)
    return fault("value_bigger_than_max", f"Value {value} bigger than max of {high}", name, **extra)


def wrong_type(name: str, kind: str, value: object) -> Fault:
    return fault(
        "invalid_input_type",
        f"Failed to convert an input value to a {kind} value",
        f"{name}, {short(value)}",
        input_name=name,
        received_value=short(value),
    )


def bad_link(name: str, value: object, why: str) -> Fault:
    message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
    extra = {"input_name": name, "received_value": short(value)}
    return fault("bad_linked_input", message, f"{name}, {why}", **extra)


def mismatch(name: str, got: str, wanted: str) -> Fault:
    extra = {"input_name": name, "received_type": got}
    message = "Return type mismatch between linked nodes"
    return fault("return_type_mismatch", message, f"{name}, {got} != {wanted}", **extra)


def not_drawn(why: str, name: str | None = None) -> Fault:
    """What is known, and cannot be drawn here."""
    extra = {} if name is None else {"input_name": name}
    details = why if name is None else f"{name} - {why}"
    return fault("custom_validation_failed", "Custom validation failed for node", details, **extra)


def failed(node_errors: Mapping[str, Mapping[str, Any]]) -> GraphError:
    """The answer where no output is left."""
    lines = [
        f"{each['message']}: {each['details']}"
        for node in node_errors.values()
        for each in node["errors"]
    ]
    message = "Prompt outputs failed validation"
    details = "\n".join(lines)
    return GraphError(fault("prompt_outputs_failed_validation", message, details), node_errors)


def short(value: object) -> str:
    """A value in an error, whatever it is."""
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= 200 else f"{text[:197]}..."


def not_drawn_at(name: str, kind: str, why: str, value: str | None = None) -> GraphError:
    """The answer to a graph one of whose nodes does what is not done here."""
    errors = [not_drawn(why, value)]
    error = {"errors": errors, "dependent_outputs": list[str](), "class_type": kind}
    return failed({name: error})


def with_outputs(error: GraphError, ends: Sequence[str]) -> GraphError:
    """The same, with the outputs that depend on what is wrong, where it does not say so."""
    told = {
        name: {**each, "dependent_outputs": each["dependent_outputs"] or list(ends)}
        for name, each in error.node_errors.items()
    }
    return GraphError(error.error, told)


def form_of(problem: Problem, path: str) -> Said:  # noqa: ARG001
    """A problem that no call of the API has come to."""
    error = fault(problem.type, problem.title, problem.detail)
    return Said({"error": error, "node_errors": {}}, authenticating(problem))
