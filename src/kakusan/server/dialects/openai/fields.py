"""Every field of OpenAI's image requests that is known, and what becomes of it."""

from collections.abc import Mapping
from enum import StrEnum


class Use(StrEnum):
    """What becomes of a field that a client sends."""

    USED = "used"
    IGNORED = "ignored"  # it is named in the header `X-Kakusan-Ignored`, as unknown ones are
    REFUSED = "refused"


# Beyond OpenAI's, by vLLM-Omni's names; under each the name that a `Request` has for it
EXTENSIONS: Mapping[str, str] = {
    "negative_prompt": "negative_prompt",
    "num_inference_steps": "num_inference_steps",
    "guidance_scale": "guidance_scale",
    "seed": "seed",
    "scheduler": "scheduler",
    "clip_skip": "clip_skip",
}
EDIT_EXTENSIONS: Mapping[str, str] = {**EXTENSIONS, "strength": "strength"}

_SHARED: Mapping[str, Use] = {
    "prompt": Use.USED,
    "model": Use.USED,
    "n": Use.USED,
    "size": Use.USED,
    "quality": Use.USED,
    "output_format": Use.USED,
    "output_compression": Use.USED,
    "response_format": Use.USED,
    "background": Use.USED,
    "stream": Use.USED,
    "partial_images": Use.USED,
    "user": Use.USED,
    "safety_identifier": Use.USED,
    "complexity": Use.IGNORED,
    "frame_count": Use.REFUSED,
    "frame_duration_ms": Use.REFUSED,
    "svg": Use.REFUSED,
}
GENERATION_FIELDS: Mapping[str, Use] = {
    **_SHARED,
    **dict.fromkeys(EXTENSIONS, Use.USED),
    "style": Use.IGNORED,
    "moderation": Use.IGNORED,
}
EDIT_FIELDS: Mapping[str, Use] = {
    **_SHARED,
    **dict.fromkeys(EDIT_EXTENSIONS, Use.USED),
    "image": Use.USED,
    "mask": Use.USED,
    "input_fidelity": Use.IGNORED,
    "markup": Use.IGNORED,
}

WHY_REFUSED: Mapping[str, str] = {
    "frame_count": "there are no animations here",
    "frame_duration_ms": "there are no animations here",
    "svg": "there are no drawings of lines here, only pictures of pixels",
}

# What its users call the settings of a `Request`
WORDS: Mapping[str, str] = {
    "num_images_per_prompt": "n",
    "width": "size",
    "height": "size",
}
# How many steps each quality is; the answer says it by a name of the first five
STEPS: Mapping[str, int] = {"low": 15, "medium": 25, "high": 50, "xhigh": 50, "max": 50}
QUALITIES: Mapping[str, str] = {
    **{name: name for name in STEPS},
    "auto": "medium",
    "standard": "medium",
    "hd": "high",
}
FORMATS = ("png", "jpeg", "webp")
LONGEST_PROMPT = 32_000
MOST_PICTURES, MOST_PARTIAL = 10, 3
STRENGTH = 0.75  # of an edit where none is given
