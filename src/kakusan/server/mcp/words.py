"""How pictures are named and told to an assistant."""

import re
from collections.abc import Mapping
from typing import Any

from kakusan.errors import shown
from kakusan.server.mcp.studio import Drawn, PictureId, Status, StudioError

_ADDRESS = "kakusan://pictures/"
TEMPLATE = _ADDRESS + "{job}/{index}"
_PICTURE = re.compile(r"([0-9A-Za-z-]{1,64})/(\d{1,4})")

# What of a record is told, and how
_TOLD = {
    "model": "model",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
    "strength": "strength",
    "negative_prompt": "negative prompt",
}


def read_picture_id(given: str) -> PictureId:
    """A picture by its id, such as `JOB/0`, or by the address of its resource.

    Raises:
        StudioError: It is neither.
    """
    match = _PICTURE.fullmatch(given.strip().removeprefix(_ADDRESS).removesuffix(".png"))
    if match is None:
        raise StudioError(
            f"{shown(given)} is no picture's id; take the one that draw gave, such as JOB/0"
        )
    return PictureId(match[1], int(match[2]))


def address_of(which: PictureId) -> str:
    """Of the resource that the whole picture is."""
    return TEMPLATE.format(job=which.job, index=which.index)


def told_picture(picture: Drawn) -> str:
    """A line such as `Picture JOB/0: 256x256, seed 7, model builtin, steps 25.`"""
    told = [f"{picture.width}x{picture.height}", f"seed {picture.record.get('seed')}"]
    told += [
        f"{word} {picture.record[name]}"
        for name, word in _TOLD.items()
        if picture.record.get(name) not in (None, "")
    ]
    return f"Picture {picture.id}: {', '.join(told)}."


def told_status(status: Status) -> str:
    """A line on where a job stands."""
    words = f"Job {status.job} is {status.state}"
    if status.state == "queued" and status.ahead is not None:
        words += f"; {status.ahead} before it"
    if status.state == "running" and status.steps:
        words += f"; step {status.step} of {status.steps}"
    if status.error:
        words += f": {status.error}"
    if status.pictures:
        words += f"; pictures: {', '.join(str(each.id) for each in status.pictures)}"
    return words + ("" if words.endswith(".") else ".")


def told_model(model: Mapping[str, Any]) -> str:
    """A line on a model: its name, and what size and steps are its own."""
    told = [f"{word} {model[key]}" for key, word in _OF_MODELS.items() if model.get(key)]
    if model.get("width") and model.get("height"):
        told.insert(0, f"{model['width']}x{model['height']}")
    return f"{model.get('name')}{': ' if told else ''}{', '.join(told)}"


_OF_MODELS = {
    "family": "family",
    "num_inference_steps": "steps",
    "guidance_scale": "guidance",
}
