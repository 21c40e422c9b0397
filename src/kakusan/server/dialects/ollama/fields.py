"""Every field of Ollama's `/api/generate` that is known, and what becomes of it."""

from collections.abc import Mapping
from enum import StrEnum


class Use(StrEnum):
    """What becomes of a field that a client sends."""

    USED = "used"
    IGNORED = "ignored"  # it is named in the header `X-Kakusan-Ignored`, as unknown ones are


FIELDS: Mapping[str, Use] = {
    "model": Use.USED,
    "prompt": Use.USED,
    "width": Use.USED,
    "height": Use.USED,
    "steps": Use.USED,
    "options": Use.USED,
    "stream": Use.USED,
    "images": Use.USED,
    # of texts
    "suffix": Use.IGNORED,
    "system": Use.IGNORED,
    "template": Use.IGNORED,
    "context": Use.IGNORED,
    "raw": Use.IGNORED,
    "think": Use.IGNORED,
    "logprobs": Use.IGNORED,
    "top_logprobs": Use.IGNORED,
    "format": Use.IGNORED,
    # models stay loaded as `kakusan serve` sees fit
    "keep_alive": Use.IGNORED,
}
OPTIONS = ("seed",)  # the others steer texts
WORDS: Mapping[str, str] = {"num_inference_steps": "steps", "seed": "options.seed"}
STRENGTH = 0.75  # of a picture made from another
