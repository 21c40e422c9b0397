"""What a picture's text tells, under the keys that AUTOMATIC1111 gives it."""

from typing import Any

from kakusan.images.parameters import split_prompts
from kakusan.images.settings_line import find_settings

_USUAL = {
    "Clip skip": "1",
    "Hires resize-1": "0",
    "Hires resize-2": "0",
    "Hires sampler": "Use same sampler",
    "Hires schedule type": "Use same scheduler",
    "Hires checkpoint": "Use same checkpoint",
    "Hires prompt": "",
    "Hires negative prompt": "",
    "Mask mode": "Inpaint masked",
    "Masked content": "original",
    "Inpaint area": "Whole picture",
    "Masked area padding": "32",
    "RNG": "GPU",
    "Schedule type": "Automatic",
    "Emphasis": "Original",
}
_PAIRS = ("Size", "Hires resize")


def parameters_of(text: str) -> dict[str, Any]:
    """The parts of a text: prompts, each setting, sizes also as "Size-1" and "Size-2"."""
    if not text.strip():
        return {}
    settings = find_settings(text)
    prompt, negative = split_prompts(text if settings is None else text[: settings.start])
    found: dict[str, Any] = {"Prompt": prompt, "Negative prompt": negative}
    for name, value in ({} if settings is None else settings.told).items():
        found[name] = value
        width, by, height = value.partition("x")
        if name in _PAIRS and by and width.isdigit() and height.isdigit():
            found |= {f"{name}-1": width, f"{name}-2": height}
    return {**_USUAL, **found}
