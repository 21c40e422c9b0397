"""The settings of a picture's record, for another picture that is to be like it."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kakusan.errors import InputError
from kakusan.images.parameters import parameters_text, parse_parameters
from kakusan.request import Request
from kakusan.samplers import meaning_of

# What a typed setting replaces beside itself
_GOES_WITH = {
    "prompt": ("prompt_2", "template"),
    "negative_prompt": ("negative_prompt_2", "negative_template"),
    "scheduler": ("timesteps", "sigmas", "eta", "quality_budget", "reuse_interval"),
    "num_inference_steps": ("timesteps", "sigmas", "quality_budget", "reuse_interval"),
    "quality_budget": (
        *("scheduler", "num_inference_steps", "timesteps", "sigmas", "eta", "reuse_interval"),
    ),
    "model": ("commit", "variant", "unet", "vae", "prediction_type", "dtype"),
    "prompt_syntax": ("emphasis", "pad_conds", "old_timelines"),
    "rng": ("ensd",),
    "variation_strength": ("variation_seed",),
    # what one model is told of sizes
    "width": ("original_size", "target_size"),
    "height": ("original_size", "target_size"),
}
_TEXTS = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")
_NEVER = ("device", "num_images_per_prompt")
# What names files, which may be a stranger's
_FILES = ("loras", "lora_files", "embeddings", "controls")


def request_of(record: Mapping[str, Any]) -> Request:
    """What was asked for of a picture that kakusan made, of a grid for its first.

    Raises:
        InputError: The record is broken, or is of no request.
    """
    from kakusan.images import grid_records

    if "sheet" in record:
        raise InputError(
            "it is a sheet of pictures with words beside them, as `kakusan grid` draws, and not of "
            "one request; give a picture of `kakusan generate`"
        )
    if "grid" in record:
        record = grid_records(dict(record))[0][0]
    return Request.from_record(record)


def settings_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one picture that kakusan made, of a grid those of its first.

    Adapters and learnt words, which are files, are left out.

    Raises:
        InputError: The record is broken, or is of no request.
    """
    request = request_of(record)
    plain = {each.name: each.default for each in fields(Request)}
    told = {name: getattr(request, name) for name in plain}
    for name in _TEXTS:  # of one picture, as a record has them
        told[name] = None if told[name] is None else told[name][0]
    return {
        name: value
        for name, value in told.items()
        if value is not None and value != plain[name] and name not in (*_NEVER, *_FILES)
    }


def with_typed(settings: Mapping[str, Any], typed: Mapping[str, Any]) -> dict[str, Any]:
    """A picture's settings, and over them what was typed.

    What belongs to a setting that was typed goes with it: another model does without the first
    one's version and parts, and takes its scheduler by name.
    """
    kept = dict(settings)
    if "model" in typed and typed["model"] != settings.get("model"):
        kept |= _named_scheduler(settings)
    same = {name for name in typed if typed[name] == settings.get(name)}
    for name in typed.keys() - same:
        for other in _GOES_WITH.get(name, ()):
            kept.pop(other, None)
    return {name: value for name, value in {**kept, **typed}.items() if value is not None}


def _named_scheduler(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A config is one model's; for another it is what people call it."""
    config = settings.get("scheduler")
    if not isinstance(config, Mapping) or "name" in config:
        return {}
    told = parse_parameters(parameters_text(settings))
    name = " ".join(str(told[key]) for key in ("sampler", "schedule_type") if key in told)
    try:
        meaning_of(name)
    except InputError:
        return {"scheduler": None}
    return {"scheduler": name}
