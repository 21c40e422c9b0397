"""`kakusan schedulers`: what may be said for `--scheduler`."""

import textwrap

from kakusan.cli import options
from kakusan.cli.console import say, say_json
from kakusan.cli.exits import DONE
from kakusan.samplers import SAMPLERS, Sampler
from kakusan.samplers.told import schedules_told, told_of

WIDTH = 80
HEADINGS = ("NAME", "AUTOMATIC1111", "COMFYUI", "CLASS", "")
ELSEWHERE = ("NOT IN AUTOMATIC1111", "COMFYUI", "CLASS", "")
NOTES = (
    "2, 3: calls of the model a step. ~: adds noise on the way. A class is named with "
    '"Scheduler" at its end. Case, spaces and hyphens do not matter.',
    'A name may end in how noise levels are spaced, such as "dpmpp-2m exponential":',
)


def schedulers(as_json: options.AsJson = False) -> int:
    """List the schedulers, and what other tools call them."""
    if as_json:
        say_json(
            {"schedulers": [told_of(each) for each in SAMPLERS], "schedules": schedules_told()}
        )
        return DONE
    _say_table([HEADINGS, *(_row(each) for each in SAMPLERS if each.in_webui)])
    _say_table([ELSEWHERE, *(_row(each) for each in SAMPLERS if not each.in_webui)])
    for note in (*NOTES, ", ".join(each["name"] for each in schedules_told()) + "."):
        say("\n".join(textwrap.wrap(note, WIDTH)))
    return DONE


def _say_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
        say(" ".join(cells).rstrip())


def _row(sampler: Sampler) -> tuple[str, ...]:
    mark = f"{sampler.calls if sampler.calls > 1 else ''}{'~' if sampler.random else ''}"
    webui = (sampler.webui,) if sampler.in_webui else ()
    kind = sampler.kind.removesuffix("Scheduler")
    return sampler.short, *webui, sampler.comfyui or "", kind, mark
