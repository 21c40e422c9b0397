"""One prompt under several settings: a labelled grid, as an X/Y plot."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from kakusan.checkpoints.source import BUILTIN, locate
from kakusan.errors import RequestError, nearest, shown
from kakusan.images import grid_record
from kakusan.inspect.sheet import sheet
from kakusan.inspect.shown import Shown
from kakusan.inspect.wording import Language, worded
from kakusan.pipeline import Picture, draw
from kakusan.pipeline.short import short_request
from kakusan.pipeline.understood import say_understood
from kakusan.request import Request
from kakusan.schedulers import PNDMScheduler, named_scheduler
from kakusan.text import CLIPTokenizer, Understanding, said_once
from kakusan.vocabulary import SHORT

# What an axis may vary, as `kakusan.generate` calls it
AXES = ("steps", "guidance", "scheduler", "seed", "prompt", "negative_prompt", "model")
NUMBERS = {"steps": int, "seed": int, "guidance": float}


@dataclass(frozen=True)
class Experiment(Shown):
    """Pictures by row and column, and what was varied along both."""

    title: str
    x: tuple[str, tuple[object, ...]]
    y: tuple[str, tuple[object, ...]] | None
    pictures: tuple[tuple[Picture, ...], ...]
    language: Language = "en"

    @property
    def record(self) -> dict[str, Any]:
        """What the pictures share, and what each has alone."""
        every = [each.record for row in self.pictures for each in row]
        return grid_record(every, len(self.pictures), len(self.pictures[0]))

    def picture(self) -> Image:
        def names(axis: tuple[str, tuple[object, ...]] | None) -> list[str]:
            if axis is None:
                return []
            word = worded(axis[0], self.language)
            return [f"{word} {value}" for value in axis[1]]

        rows = [[each.image for each in row] for row in self.pictures]
        return sheet(rows, columns=names(self.x), rows=names(self.y), title=self.title)


def experiment(
    prompt: str,
    *,
    x: Mapping[str, Sequence[Any]],
    y: Mapping[str, Sequence[Any]] | None = None,
    seed: int | None = None,
    language: Language = "en",
    **fixed: Any,
) -> Experiment:
    """Draw a prompt once for each pair of values, always from the same seed unless that varies.

    Args:
        x: one name of `AXES` with its values, from left to right.
        y: another, from top to bottom.
        seed: of every picture; 0 where it neither is given nor varies.
        language: of the words in the figure.
        fixed: what stays the same, as `kakusan.generate` takes it (`model=`, `width=`, ...).

    Raises:
        InputError: An axis that does not exist or has no values, or a value that does not fit;
            said before anything is drawn where it can be known.
    """
    worded("seed", language)  # only to be checked, before any work
    across, down = _axis("x", x), (None if y is None else _axis("y", y))
    if down and down[0] == across[0]:
        raise RequestError(f"x and y both vary {across[0]}; let one of them vary something else")
    if seed is not None:
        fixed["seed"] = seed
    for name in {across[0], *([down[0]] if down else [])} & fixed.keys():
        raise RequestError(f"{name} is given and varied; leave one of them out")
    for name in {"count", "on_picture", "progress"} & fixed.keys():
        raise RequestError(f"{name} has no place here: each setting gets one picture")
    settings: dict[str, Any] = {"prompt": prompt, "seed": 0, **fixed}
    cells = [[_asked(settings | varied) for varied in row] for row in _cells(across, down)]
    models = list(dict.fromkeys(_model(cell) for cell in itertools.chain(*cells)))
    for model in models:
        locate(model)
    # One model after the other: the one that was loaded last is at hand
    order = sorted(itertools.chain(*cells), key=lambda cell: models.index(_model(cell)))
    with said_once():
        _say_understood(cells)
        drawn = {id(cell): draw(cell, progress=None)[0] for cell in order}
    pictures = tuple(tuple(drawn[id(cell)] for cell in row) for row in cells)
    varied = {across[0], down[0] if down else ""}
    told = [] if "prompt" in varied else [prompt]
    told += [] if "seed" in varied else [f"({worded('seed', language)} {settings['seed']})"]
    return Experiment(" ".join(told), across, down, pictures, language)


def _say_understood(cells: Sequence[Sequence[Request]]) -> None:
    """Say what no cell's model understands, all of it before the first is drawn."""
    texts: dict[str, set[str]] = {}
    for cell in itertools.chain(*cells):
        asked = {text for text in (*cell.prompt, *cell.negative_prompt) if text}
        texts.setdefault(_model(cell), set()).update(asked)
    for model, some in texts.items():
        tokenizer = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer")
        say_understood([Understanding.of(text, tokenizer) for text in sorted(some)], model)


def _axis(which: str, given: Mapping[str, Sequence[Any]]) -> tuple[str, tuple[Any, ...]]:
    if len(given) != 1:
        raise RequestError(f"{which} must vary one thing, such as {{'steps': [5, 10, 25]}}")
    ((name, values),) = given.items()
    if name not in AXES:
        raise RequestError(f"{which} cannot vary {shown(name)}.{nearest(name, AXES)}")
    if not isinstance(values, list | tuple) or not values:
        raise RequestError(f"{which} needs values of {name} in a list, such as [5, 10, 25]")
    return name, tuple(values)


def _cells(
    across: tuple[str, tuple[Any, ...]], down: tuple[str, tuple[Any, ...]] | None
) -> Iterator[list[dict[str, Any]]]:
    for lower in down[1] if down else (None,):
        shared = {} if down is None else {down[0]: lower}
        yield [shared | {across[0]: value} for value in across[1]]


def _asked(settings: Mapping[str, Any]) -> Request:
    """The request for the picture of one cell."""
    with SHORT.spoken():
        request = short_request(**{"model": BUILTIN, **settings})
        if request.scheduler is not None:
            named_scheduler(str(request.scheduler), PNDMScheduler())
    return request


def _model(request: Request) -> str:
    return request.model or BUILTIN


def parse_axis(text: str, option: str) -> dict[str, list[Any]]:
    """An axis as the command line has it: "steps=5,10,25".

    Raises:
        RequestError: Not of that form, or a value is no number where one is wanted.
    """
    name, equals, listed = text.partition("=")
    name = name.strip().replace("-", "_")
    values = [value.strip() for value in listed.split(",")]
    if not equals or not name or not all(values):
        raise RequestError(f"{option} must be NAME=VALUE,VALUE,..., not {shown(text)}")
    try:
        return {name: [NUMBERS.get(name, str)(value) for value in values]}
    except ValueError:
        raise RequestError(f"{option}: {name} takes numbers, not {shown(listed)}") from None
