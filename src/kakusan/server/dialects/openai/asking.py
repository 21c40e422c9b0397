"""From the fields of an image request to what is wanted: used, named as ignored, or refused."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kakusan.errors import nearest, shown
from kakusan.server.dialects.openai.failures import invalid
from kakusan.server.dialects.openai.fields import (
    EDIT_EXTENSIONS,
    EDIT_FIELDS,
    EXTENSIONS,
    FORMATS,
    GENERATION_FIELDS,
    LONGEST_PROMPT,
    MOST_PARTIAL,
    MOST_PICTURES,
    QUALITIES,
    STEPS,
    STRENGTH,
    WHY_REFUSED,
    Use,
)

_SIZE = re.compile(r"(\d{1,6})[xX](\d{1,6})")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a request comes to.

    Attributes:
        settings: under the names of a `Request`, but for the model and the pictures handed in.
        model: as it was named.
        quality: one of five, as the answer has it.
        output_format: "png", "jpeg" or "webp".
        compression: the quality of JPEG and WebP, 0 to 100.
        as_url, as_data: whether pictures are answered as links, as base64, or as both: DALL-E's
            tools, which ask for neither, look for links.
        partial_images: how many half-drawn pictures a stream has of each.
        identifier: of whoever stands behind the caller.
        ignored: the names of fields that count for nothing, as they were sent.
    """

    settings: Mapping[str, Any]
    model: str | None
    quality: str
    output_format: str
    compression: int
    as_url: bool
    as_data: bool
    stream: bool
    partial_images: int
    identifier: str | None
    ignored: Sequence[str]


def wanted(
    sent: Mapping[str, object], *, edit: bool = False, own_steps: int | None = None
) -> Wanted:
    """Read the fields of a generation, or of an edit.

    Args:
        sent: of JSON, or of a form after `forms.read_form`; None is the same as absent.
        own_steps: how many steps the model takes where it is one that needs few; then `quality`
            changes nothing.

    Raises:
        Refusal: One cannot be used.
    """
    known = EDIT_FIELDS if edit else GENERATION_FIELDS
    fields = _Fields({name: value for name, value in sent.items() if value is not None})
    for name, why in WHY_REFUSED.items():
        if name in fields.given:
            raise invalid(f"{name} cannot be used: {why}; leave it out", name, "unsupported_value")
    ignored = [name for name in fields.given if known.get(name, Use.IGNORED) is Use.IGNORED]
    output_format = _output_format(fields)
    response_format = fields.choice("response_format", ("b64_json", "url"), "")
    is_dalle = (fields.text("model") or "").startswith("dall-e")
    compression = fields.whole("output_compression", 0, 100)
    stream = fields.switch("stream")
    partial = fields.whole("partial_images", 0, MOST_PARTIAL)
    ignored += [
        *(["output_compression"] if compression is not None and output_format == "png" else []),
        *(["partial_images"] if partial and not stream else []),
        *(["response_format"] if response_format == "url" and stream else []),
    ]
    quality = fields.choice("quality", QUALITIES, "auto")
    steps = own_steps if own_steps is not None else STEPS[QUALITIES[quality]]
    return Wanted(
        settings=_settings(fields, steps, edit=edit),
        model=fields.text("model"),
        quality=QUALITIES[quality],
        output_format=output_format,
        compression=100 if compression is None else compression,
        as_url=response_format == "url" or (is_dalle and not response_format),
        as_data=response_format != "url",
        stream=stream,
        partial_images=partial or 0,
        identifier=fields.text("safety_identifier") or fields.text("user") or None,
        ignored=tuple(ignored),
    )


class _Fields:
    """What was sent, read by kind."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self.given = given

    def text(self, name: str) -> str | None:
        value = self.given.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid(f"{name} must be a text, not {shown(value)}", name, "invalid_type")
        return value

    def switch(self, name: str) -> bool:
        value = self.given.get(name, False)
        if not isinstance(value, bool):
            raise invalid(f"{name} must be true or false, not {shown(value)}", name, "invalid_type")
        return value

    def whole(self, name: str, least: int, most: int) -> int | None:
        value = self.given.get(name)
        if isinstance(value, float) and value.is_integer():  # JSON knows one kind of number
            value = int(value)
        if value is None or (
            isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        ):
            return value
        raise invalid(
            f"{name} must be a whole number from {least} to {most}, not {shown(value)}", name
        )

    def choice(self, name: str, known: Mapping[str, object] | Sequence[str], usual: str) -> str:
        value = self.text(name)
        if value is None:
            return usual
        if value not in known:
            said = f"{name} must be one of {', '.join(known)}, not {shown(value)}"
            raise invalid(said + nearest(value, known).partition(" Known")[0], name)
        return value


def _output_format(fields: _Fields) -> str:
    given = fields.text("output_format")
    if given in ("gif", "svg"):
        raise invalid(
            f"output_format {given} is not written here; take one of {', '.join(FORMATS)}",
            "output_format",
            "unsupported_value",
        )
    background = fields.choice("background", ("auto", "opaque", "transparent"), "auto")
    if background == "transparent":
        raise invalid(
            "background transparent cannot be drawn: pictures are opaque here; leave it out",
            "background",
            "unsupported_value",
        )
    return fields.choice("output_format", FORMATS, "png")


def _settings(fields: _Fields, steps: int, *, edit: bool) -> dict[str, Any]:
    prompt = fields.text("prompt")
    if not prompt:
        raise invalid(
            "prompt is missing; it says what to draw", "prompt", "missing_required_parameter"
        )
    if len(prompt) > LONGEST_PROMPT:
        raise invalid(
            f"prompt has {len(prompt)} characters; at most {LONGEST_PROMPT} are taken",
            "prompt",
            "string_above_max_length",
        )
    width, height = _size(fields)
    found: dict[str, Any] = {
        "prompt": prompt,
        "width": width,
        "height": height,
        "num_inference_steps": steps,
        "num_images_per_prompt": fields.whole("n", 1, MOST_PICTURES),
        **({"strength": STRENGTH} if edit else {}),
    }
    for name, setting in (EDIT_EXTENSIONS if edit else EXTENSIONS).items():
        if name in fields.given:
            found[setting] = fields.given[name]
    seed = found.get("seed")
    if isinstance(seed, int) and seed < 0:  # a random one, as clients of other servers say it
        del found["seed"]
    if not isinstance(found.get("scheduler"), str | None):
        raise invalid("scheduler must be a name", "scheduler", "invalid_type")
    return {name: value for name, value in found.items() if value is not None}


def _size(fields: _Fields) -> tuple[int | None, int | None]:
    given = fields.text("size")
    if given is None or given == "auto":
        return None, None
    match = _SIZE.fullmatch(given.strip())
    if match is None:
        raise invalid(
            f"size must be WIDTHxHEIGHT in pixels, such as 512x512, or auto, not {shown(given)}",
            "size",
        )
    return int(match[1]), int(match[2])
