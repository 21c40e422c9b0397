"""The second, larger pass of txt2img ("hires fix") as a request has it."""

from typing import Any

from kakusan.request.second_pass import DEFAULT_UPSCALER
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.samplers import chosen
from kakusan.server.dialects.a1111.values import Body

_SAME = ("", "none", "use same sampler", "use same scheduler", "use same checkpoint")


def second_pass(body: Body) -> dict[str, Any]:
    """The settings of a request for two passes; none where `enable_hr` is not set.

    Raises:
        ApiError: A sampler is not known, or the second pass is asked for by another model.
    """
    if not body["enable_hr"]:
        return {}
    if not is_same(body["hr_checkpoint_name"]):
        raise refused(
            "hr_checkpoint_name may be null or 'Use same checkpoint': both passes are drawn by one "
            "model here; leave it out"
        )
    first, asked = _sizes(body)
    asked |= {
        "upscaler": body["hr_upscaler"] or DEFAULT_UPSCALER,
        "strength": body["denoising_strength"],
        "steps": body["hr_second_pass_steps"] or None,
        "prompt": body["hr_prompt"] or None,
        "negative_prompt": body["hr_negative_prompt"] or None,
        "scheduler": _scheduler(body),
    }
    found = {name: value for name, value in asked.items() if value is not None}
    return {**first, "second_pass": found}


def is_same(name: str | None) -> bool:
    """Whether a field of the second pass says nothing but "as in the first one"."""
    return name is None or name.strip().casefold() in _SAME


def _sizes(body: Body) -> tuple[dict[str, Any], dict[str, Any]]:
    """The first pass's size where it is said in the old way, and what is said of the second's."""
    if body["firstphase_width"] or body["firstphase_height"]:
        first = {"width": body["firstphase_width"], "height": body["firstphase_height"]}
        if not all(first.values()):
            raise refused("firstphase_width and firstphase_height belong together; give both")
        return first, {"width": body["width"], "height": body["height"]}
    sides = {"width": body["hr_resize_x"] or None, "height": body["hr_resize_y"] or None}
    return {}, sides if any(sides.values()) else {"scale": body["hr_scale"]}


def _scheduler(body: Body) -> str | None:
    sampler, schedule = (
        None if is_same(body[name]) else body[name] for name in ("hr_sampler_name", "hr_scheduler")
    )
    if sampler is None and schedule is None:
        return None
    first = body["sampler_name"] or body["sampler_index"]
    return chosen(sampler or first, schedule or body["scheduler"]).name
