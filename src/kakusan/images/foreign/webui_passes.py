"""What AUTOMATIC1111's text tells of more than one plain pass: hires, refiner, masks, controls."""

import math
import re

from kakusan.images.foreign.fields import Fields, parsed_object
from kakusan.images.foreign.hashes import as_hash

JSON = dict[str, object]
_MOST_CONTROLS = 20
_MASKS = {  # what the web UI leaves out -> how it names the rest
    "mode": ("Mask mode", "Inpaint masked"),
    "blur": ("Mask blur", None),
    "area": ("Inpaint area", "Whole picture"),
    "padding": ("Masked area padding", 32),
    "content": ("Masked content", "original"),
    "rounding": ("Mask rounding", None),
    "conditional_weight": ("Conditional mask weight", None),
}


def hires(fields: Fields) -> JSON | None:
    """The second, larger pass."""
    width, height = _resized(fields)
    told: JSON = {
        "scale": fields.number("Hires upscale", low=0.01, high=100),
        "width": width,
        "height": height,
        "steps": fields.whole("Hires steps", low=0, high=10_000),
        "upscaler": fields.text("Hires upscaler"),
        "sampler": fields.text("Hires sampler"),
        "schedule_type": fields.text("Hires schedule type"),
        "model": fields.text("Hires checkpoint"),
        "prompt": fields.prompt("Hires prompt"),
        "negative_prompt": fields.prompt("Hires negative prompt"),
        "guidance_scale": fields.weight("Hires CFG Scale", "Hires CFG scale"),
    }
    return _some(told)


def _resized(fields: Fields) -> tuple[int | None, int | None]:
    """The size it was made larger to; a side of 0 follows from the other one."""
    text = str(fields.look("Hires resize") or "").strip()
    match = re.fullmatch(r"(\d{1,6})x0|0x(\d{1,6})", text)
    if match is None or int(match[1] or match[2]) == 0:
        return fields.pair("Hires resize") or (None, None)
    fields.take("Hires resize")
    return (int(match[1]), None) if match[1] else (None, int(match[2]))


def old_first_pass(size: tuple[int, int], first: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    """The sizes of the first and of the second pass, as versions before 1.0 wrote them.

    Source: modules/processing.py, old_hires_fix_first_pass_dimensions.
    """
    if first == (0, 0):
        scale = math.sqrt(512 * 512 / (size[0] * size[1]))
        first = (math.ceil(scale * size[0] / 64) * 64, math.ceil(scale * size[1] / 64) * 64)
    return first, size


def refiner(fields: Fields) -> JSON | None:
    """The second model, and after what part of the steps it took over."""
    named = fields.text("Refiner")
    name, digits = _name_and_hash(named or "")
    told: JSON = {
        "model": name or None,
        "model_hash": digits,
        "switch_at": fields.fraction("Refiner switch at"),
    }
    return _some(told)


def inpaint(fields: Fields) -> JSON | None:
    """What is told of a mask; what the web UI leaves out is what it was then."""
    given = {key: fields.look(name) for key, (name, _) in _MASKS.items()}
    if not any(value is not None for value in given.values()):
        return None
    told: JSON = {}
    for key, (name, otherwise) in _MASKS.items():
        plain = key in ("blur", "padding", "conditional_weight")
        found = fields.number(name, low=0, high=65_535) if plain else fields.text(name)
        told[key] = otherwise if found is None else found
    return _some(told)


def controls(fields: Fields) -> tuple[JSON, ...]:
    """One object for each unit of the extension ControlNet."""
    found: list[JSON] = []
    for number in range(_MOST_CONTROLS):
        text = fields.text(f"ControlNet {number}", longest=20_000)
        if text is not None:
            found.append(_control(text))
    alone = fields.text("ControlNet", longest=20_000)
    return tuple(found) if alone is None else (*found, _control(alone))


def _control(text: str) -> JSON:
    """`Module: canny, Model: name [hash], Weight: 1.0`; older ones wrote `(key: value, ...)`."""
    inner = text.strip().strip("()")
    told: JSON = dict(parsed_object(inner) or {})
    for part in [] if told else re.split(r",\s*(?=[A-Za-z][\w ()/]{0,40}:)", inner)[:60]:
        name, _, value = part.partition(":")
        told[name.strip().casefold().replace(" ", "_")] = value.strip()[:500]
    fields = Fields(told)
    name, digits = _name_and_hash(fields.text("model") or "")
    known: JSON = {
        "module": fields.text("module", "preprocessor"),
        "model": name or None,
        "model_hash": digits,
        "weight": fields.weight("weight", "weight/starting/ending"),
        "resize_mode": fields.text("resize_mode"),
        "guidance_start": fields.fraction("guidance_start", "starting"),
        "guidance_end": fields.fraction("guidance_end", "ending"),
        "control_mode": fields.text("control_mode"),
        **fields.left(),
    }
    return {key: value for key, value in known.items() if value is not None}


def _name_and_hash(text: str) -> tuple[str, str | None]:
    """`name [0123456789]`"""
    match = re.fullmatch(r"(.*?)\s*\[([0-9a-fA-F]{6,64})\]\s*", text, re.DOTALL)
    return (match[1], as_hash(match[2])) if match else (text, None)


def _some(told: JSON) -> JSON | None:
    found = {key: value for key, value in told.items() if value is not None}
    return found or None
