"""`kakusan schedulers`: what may be said for `--scheduler`."""

import textwrap

from kakusan.cli import options
from kakusan.cli.console import say, say_json
from kakusan.cli.exits import DONE
from kakusan.samplers import SAMPLERS, SCHEDULES, Sampler, label_of, schedules_of

WIDTH = 80
HEADINGS = ("NAME", "AUTOMATIC1111", "COMFYUI", "CLASS", "")
# Called as the web UI would call them, which does not have them
NOT_THERE = ("DDPM", "DPM++ 2S", "TCD")
NOTES = (
    "2: two calls of the model a step. ~: adds noise on the way. A class is named with "
    '"Scheduler" at its end. Case, spaces and hyphens do not matter.',
    'A name may end in how noise levels are spaced, such as "dpmpp-2m exponential":',
)


def schedulers(as_json: options.AsJson = False) -> int:
    """List the schedulers, and what other tools call them."""
    if as_json:
        say_json({"schedulers": [_facts(each) for each in SAMPLERS], "schedules": _schedules()})
        return DONE
    rows = [HEADINGS, *(_row(each) for each in SAMPLERS)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADINGS))]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        say(" ".join(cells).rstrip())
    for note in (*NOTES, ", ".join(each["name"] for each in _schedules()) + "."):
        say("\n".join(textwrap.wrap(note, WIDTH)))
    return DONE


def _row(sampler: Sampler) -> tuple[str, ...]:
    mark = f"{sampler.calls if sampler.calls > 1 else ''}{'~' if sampler.random else ''}"
    kind = sampler.kind.removesuffix("Scheduler")
    webui = "" if sampler.webui in NOT_THERE else sampler.webui
    return sampler.short, webui, sampler.comfyui or "", kind, mark


def _facts(sampler: Sampler) -> dict[str, object]:
    return {
        "name": sampler.short,
        "automatic1111": None if sampler.webui in NOT_THERE else sampler.webui,
        "comfyui": sampler.comfyui,
        "other_names": list(sampler.others),
        "class": sampler.kind,
        "calls_per_step": sampler.calls,
        "random": sampler.random,
        "schedule": sampler.automatic,
        "schedules": list(schedules_of(sampler)),
    }


def _schedules() -> list[dict[str, str]]:
    return [{"name": name, "automatic1111": label_of(name)} for name in SCHEDULES]
