"""A sampler with all its names, as plain JSON."""

from kakusan.samplers.schedules import SCHEDULES, label_of, schedules_of
from kakusan.samplers.table import Sampler


def told_of(sampler: Sampler) -> dict[str, object]:
    """What is known of a sampler."""
    return {
        "name": sampler.short,
        "automatic1111": sampler.webui if sampler.in_webui else None,
        "comfyui": sampler.comfyui,
        "other_names": list(sampler.others),
        "class": sampler.kind,
        "calls_per_step": sampler.calls,
        "random": sampler.random,
        "schedule": sampler.automatic,
        "schedules": list(schedules_of(sampler)),
    }


def schedules_told() -> list[dict[str, str]]:
    """The schedules of noise levels, with AUTOMATIC1111's names."""
    return [{"name": name, "automatic1111": label_of(name)} for name in SCHEDULES]
