"""From a body of Ollama's `/api/generate` to what is wanted."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from kakusan.errors import shown
from kakusan.server.dialects.ollama.failures import Refusal
from kakusan.server.dialects.ollama.fields import (
    FIELDS,
    OPTIONS,
    STRENGTH,
    Use,
)

_LONGEST_PROMPT = 32_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a request comes to.

    Attributes:
        model: as it was named, without the tag ":latest".
        settings: under the names of a `Request`; None where there is nothing to draw, as in calls
            that only have a model loaded.
        image: the bytes of the picture to begin at.
        stream: whether lines of progress are sent.
        ignored: the names of fields that count for nothing.
    """

    model: str
    settings: Mapping[str, Any] | None
    image: bytes | None
    stream: bool
    ignored: tuple[str, ...]


def wanted(sent: Mapping[str, object]) -> Wanted:
    """Read the fields; null is the same as absent.

    Raises:
        Refusal: One cannot be used.
    """
    given = {name: value for name, value in sent.items() if value is not None}
    options = _options(given)
    ignored = [name for name in given if FIELDS.get(name, Use.IGNORED) is Use.IGNORED]
    ignored += [f"options.{name}" for name in options if name not in OPTIONS]
    image = _image(given.get("images"))
    settings: dict[str, Any] | None = None
    if prompt := _text(given, "prompt"):
        settings = {
            "prompt": prompt,
            "width": given.get("width") or None,  # Ollama's own clients send 0 for no wish
            "height": given.get("height") or None,
            "num_inference_steps": given.get("steps") or None,
            "seed": _seed(options.get("seed")),
            "strength": None if image is None else STRENGTH,
        }
        settings = {name: value for name, value in settings.items() if value is not None}
    elif image is not None:
        raise Refusal("prompt is missing; it says what to draw of the picture in images")
    return Wanted(
        model=model_name(given.get("model")),
        settings=settings,
        image=image,
        stream=_switch(given, "stream", usual=True),
        ignored=tuple(ignored),
    )


def model_name(given: object) -> str:
    """A model's name without a tag that says nothing.

    Raises:
        Refusal: It is no name.
    """
    if not isinstance(given, str) or not given.strip():
        raise Refusal("model is missing; /api/tags lists the names")
    return given.strip().removesuffix(":latest")


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str):
        raise Refusal(f"{name} must be a text, not {shown(value)}")
    if len(value) > _LONGEST_PROMPT:
        raise Refusal(f"{name} has {len(value)} characters; at most {_LONGEST_PROMPT} are taken")
    return value


def _switch(given: Mapping[str, object], name: str, *, usual: bool) -> bool:
    value = given.get(name, usual)
    if not isinstance(value, bool):
        raise Refusal(f"{name} must be true or false, not {shown(value)}")
    return value


def _options(given: Mapping[str, object]) -> dict[str, object]:
    value = given.get("options", {})
    if not isinstance(value, dict):
        raise Refusal(f"options must be an object, not {shown(value)}")
    options = cast("dict[str, object]", value)
    return {name: each for name, each in options.items() if each is not None}


def _seed(given: object) -> object:
    """None, which is a random one, for what is below 0, as Ollama has it."""
    return None if isinstance(given, int) and given < 0 else given


def _image(given: object) -> bytes | None:
    if given is None or given == []:
        return None
    several = cast("list[object]", given) if isinstance(given, list) else [given]
    if len(several) > 1:
        raise Refusal(f"images has {len(several)} pictures; one is taken here")
    if not isinstance(several[0], str):
        raise Refusal("images must be a list of texts in base64")
    try:
        return base64.b64decode(several[0].encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error):
        raise Refusal("images must be a list of texts in base64; this is none") from None
