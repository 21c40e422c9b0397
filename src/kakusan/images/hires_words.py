"""A second pass in AUTOMATIC1111's words, as its text has them."""

from collections.abc import Callable, Mapping
from typing import cast

from kakusan.errors import InputError
from kakusan.samplers import meaning_of

Config = Mapping[object, object]


def hires_words(
    record: Mapping[str, object],
    prompt: Callable[[object], str],
    sampler: Callable[[Config], str | None],
    schedule: Callable[[Config], str | None],
) -> dict[str, object]:
    """The settings of a record's second pass; what is as in the first is left out.

    Args:
        prompt: writes a prompt in the web UI's syntax.
        sampler, schedule: what it calls those of a scheduler's config.
    """
    told = record.get("second_pass")
    if not isinstance(told, Mapping):
        return {}
    second = cast("Mapping[str, object]", told)
    config = _config(second.get("scheduler"))
    given = second.get("scale")
    scale = given if isinstance(given, int | float) else None
    sides = [second.get(side) for side in ("width", "height")]
    return {
        "Hires upscale": None if scale is None else f"{scale:g}",
        "Hires resize": f"{sides[0] or 0}x{sides[1] or 0}" if any(sides) else None,
        "Hires steps": second.get("steps"),
        "Hires upscaler": second.get("upscaler"),
        "Hires sampler": None if config is None else sampler(config),
        "Hires schedule type": None if config is None else schedule(config),
        "Hires prompt": _text(second.get("prompt"), prompt),
        "Hires negative prompt": _text(second.get("negative_prompt"), prompt),
        "Hires CFG Scale": second.get("guidance_scale"),
    }


def second_strength(record: Mapping[str, object]) -> object:
    """How much of the first pass was replaced."""
    told = record.get("second_pass")
    return cast("Mapping[str, object]", told).get("strength") if isinstance(told, Mapping) else None


def _text(text: object, prompt: Callable[[object], str]) -> str | None:
    return prompt(text) if isinstance(text, str) and text else None


def _config(scheduler: object) -> Config | None:
    """The config of a scheduler; of a name what it means."""
    if isinstance(scheduler, Mapping):
        return cast("Config", scheduler)
    if not isinstance(scheduler, str):
        return None
    try:
        meaning = meaning_of(scheduler)
    except InputError:
        return None
    return {"_class_name": meaning.kind, **meaning.settings}
