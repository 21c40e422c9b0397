"""From a job, and from the models there are, to what Ollama's clients read."""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

NANOSECONDS = 1_000_000_000


def line(told: Mapping[str, Any]) -> bytes:
    """One of a stream."""
    return json.dumps(told, ensure_ascii=True).encode() + b"\n"


def progress(model: str, completed: int, total: int, at: float) -> dict[str, Any]:
    """How far a picture is, in steps."""
    return {**_head(model, at), "done": False, "completed": completed, "total": total}


def loaded(model: str, at: float) -> dict[str, Any]:
    """The answer to a call without a prompt: there is nothing to draw."""
    return {**_head(model, at), "done": True, "done_reason": "load"}


def finished(
    model: str, picture: bytes, *, steps: int, created: float, at: float
) -> dict[str, Any]:
    """The picture, as a PNG file."""
    return {
        **_head(model, at),
        "done": True,
        "done_reason": "stop",
        "image": base64.b64encode(picture).decode("ascii"),
        "completed": steps,
        "total": steps,
        "total_duration": int((at - created) * NANOSECONDS),
    }


def _head(model: str, at: float) -> dict[str, Any]:
    return {"model": model, "created_at": moment(at), "response": ""}


def moment(at: float) -> str:
    """A time as Ollama writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
