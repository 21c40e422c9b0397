"""What goes in and comes out, as OpenAPI has it: the page at `/docs` and programs read it."""

from typing import Any

from kakusan.server.api.job_fields import FIELDS, Schema, whole
from kakusan.server.queue.job import Priority, State, Stop

_PRIORITY: Schema = {
    **whole(Priority.BATCH, Priority.WAITING),
    "description": f"Higher ones go first; else {Priority.QUEUED:d}.",
}
NEW_JOB: Schema = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        **FIELDS,
        "priority": _PRIORITY,
    },
}
AGAIN: Schema = {"type": "object", "required": ["prompt"]}
CHANGE: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "priority": _PRIORITY,
        "position": {"type": "integer", "minimum": 0},
        "to": {"enum": ["first", "last"]},
        "before": {"type": "string"},
        "stop": {"enum": [each.value for each in Stop]},
    },
}
_ID = {"type": "string", "format": "uuid"}
_MOMENT = {"type": ["number", "null"], "description": "Seconds since 1970."}
JOB: Schema = {
    "type": "object",
    "required": ["id", "state", "request", "pictures"],
    "properties": {
        "id": _ID,
        "state": {"enum": [each.value for each in State]},
        "position": {"type": ["integer", "null"], "description": "How many go before it."},
        "created": _MOMENT,
        "started": _MOMENT,
        "finished": _MOMENT,
        "step": {"type": "integer"},
        "steps": {"type": "integer"},
        "eta": {"type": ["number", "null"], "description": "Seconds that are left."},
        "error": {"type": ["string", "null"]},
        "request": {"type": "object"},
        "inputs": {"type": "array", "items": {"type": "string"}},
        "pictures": {
            "type": "array",
            "items": {"type": "object", "required": ["index", "url", "width", "height"]},
        },
    },
}
JOBS: Schema = {
    "type": "object",
    "required": ["jobs", "next"],
    "properties": {
        "jobs": {"type": "array", "items": JOB},
        "next": {"type": ["string", "null"], "description": "For `after`; null at the end."},
    },
}
INPUT: Schema = {
    "type": "object",
    "required": ["id", "width", "height"],
    "properties": {
        "id": {"type": "string"},
        "width": {"type": "integer"},
        "height": {"type": "integer"},
    },
}
TOLD: Schema = {
    "type": "object",
    "required": ["tool", "settings", "left"],
    "properties": {
        "tool": {"type": "string"},
        "settings": {"type": "object"},
        "left": {"type": "array", "items": {"type": "string"}},
        "parameters": {"type": ["string", "null"]},
    },
}
SESSION_BODY: Schema = {
    "type": "object",
    "required": ["token"],
    "properties": {"token": {"type": "string"}},
}
SESSION: Schema = {"type": "object", "properties": {"name": {"type": "string"}}}
PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "field": {"type": "string"},
    },
}
_FILE = {"schema": {"type": "string", "format": "binary"}}
_PICTURE_TYPES = ("image/png", "image/jpeg", "image/webp")
# Marks a body that is a picture
PICTURE_BODY: Schema = {"type": "string", "format": "binary"}
_FAILURE = {
    "description": "What was got, what is allowed, what to do.",
    "content": {"application/problem+json": {"schema": PROBLEM}},
}
FAILURES: dict[int | str, dict[str, Any]] = dict.fromkeys(
    (400, 401, 403, 404, 408, 409, 413, 415, 421, 422, 429, 500, 503, 507), _FAILURE
)
PICTURE: dict[str, Any] = {
    "responses": {
        200: {"description": "The file.", "content": dict.fromkeys(_PICTURE_TYPES, _FILE)},
        304: {"description": "The caller has it."},
        **FAILURES,
    },
}
STREAM: dict[str, Any] = {
    "responses": {
        200: {
            "description": "queued, started, step, preview, picture, done, failed, cancelled.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **FAILURES,
    },
}


def described(
    body: Schema | None, status: int, answer: Schema, *, empty: int | None = None
) -> dict[str, Any]:
    """What a route's decorator says of what goes in and comes out.

    Args:
        empty: another status, without a body.
    """
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": "Done.", "content": {"application/json": {"schema": answer}}},
        **FAILURES,
    }
    if empty is not None:
        responses[empty] = {"description": "Done."}
    found: dict[str, Any] = {"responses": responses}
    if body is PICTURE_BODY:
        kinds = dict.fromkeys(_PICTURE_TYPES, _FILE)
        form = {
            "schema": {"type": "object", "required": ["file"], "properties": {"file": PICTURE_BODY}}
        }
        content: dict[str, Any] = {**kinds, "multipart/form-data": form}
        found["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
    elif body is not None:
        content = {"application/json": {"schema": body}}
        found["openapi_extra"] = {"requestBody": {"required": True, "content": content}}
    return found
