"""What goes in and comes out, as OpenAPI has it: the page at `/docs` and programs read it."""

from collections.abc import Mapping
from typing import Any

from kakusan.request.checks import MAX_CHARACTERS, MAX_SIZE, MAX_STEPS, SIZE_STEP
from kakusan.request.request import MAX_GUIDANCE, MAX_PICTURES, MAX_PSNR, MAX_REUSE, MAX_SKIPPED
from kakusan.server.fields import ALLOWED
from kakusan.server.queue.job import Priority, State, Stop

Schema = Mapping[str, Any]
_SEED = {"type": "integer", "minimum": 0, "maximum": 2**64 - 1}
_TEXT = {"type": "string", "maxLength": MAX_CHARACTERS}
_SIZE = {"type": "integer", "minimum": SIZE_STEP, "maximum": MAX_SIZE, "multipleOf": SIZE_STEP}
_TEXTS = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 100}]}
_PICTURE = {"type": "string", "description": "The id of an input, or a picture in base64."}
_PICTURES = {"anyOf": [_PICTURE, {"type": "array", "items": _PICTURE, "minItems": 1}]}
_PAIR = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}


def _number(least: float, most: float) -> Schema:
    return {"type": "number", "minimum": least, "maximum": most}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _open(description: str) -> Schema:
    return {"description": description}


# Those of a `Request` that are easily said; the others' rules are in the guide
_FIELDS: dict[str, Schema] = {
    "prompt": _TEXTS,
    "negative_prompt": _TEXTS,
    "height": _SIZE,
    "width": _SIZE,
    "num_inference_steps": _whole(1, MAX_STEPS),
    "guidance_scale": _number(0, MAX_GUIDANCE),
    "guidance_rescale": _number(0, 1),
    "num_images_per_prompt": _whole(1, MAX_PICTURES),
    "eta": _number(0, 1),
    "seed": _SEED,
    "clip_skip": _whole(0, MAX_SKIPPED),
    "quality_budget": _number(0, MAX_PSNR),
    "reuse_interval": _whole(1, MAX_REUSE),
    "model": {"type": "string", "description": "A name of /v1/models."},
    "vae": {"type": "string", "description": "A name of the catalog."},
    "scheduler": _open("A name of /v1/schedulers, or a mapping with settings."),
    "image": _PICTURES,
    "mask": _PICTURES,
    "strength": _number(0, 1),
    "seed_resize": _PAIR,
    "original_size": _PAIR,
    "target_size": _PAIR,
    "crops_coords_top_left": _PAIR,
    "prompt_syntax": {"enum": ["plain", "webui", "comfy", "compel"]},
    "loras": _open("Names of /v1/loras, or mappings with name, text_weight and unet_weight."),
    "controls": _open("Mappings with image and model (a name of /v1/controlnets), and more."),
    "image_prompts": _open("Mappings with images and model, and as wanted scale and blocks."),
}
_PRIORITY = _whole(Priority.BATCH, Priority.WAITING)
NEW_JOB: Schema = {
    "type": "object",
    "required": ["prompt"],
    "additionalProperties": False,
    "properties": {
        **{name: _FIELDS.get(name, _open("See the guide.")) for name in sorted(ALLOWED)},
        "priority": _PRIORITY,
    },
}
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
    (400, 401, 403, 404, 408, 413, 415, 421, 422, 429, 500, 503, 507), _FAILURE
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
