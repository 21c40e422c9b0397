"""One prompt under several settings: a labelled grid, as an X/Y plot."""

import functools
import itertools
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from PIL.Image import Image

from kakusan.checkpoints.source import BUILTIN, PathLike, locate
from kakusan.errors import RequestError, nearest, shown
from kakusan.images import grid_record
from kakusan.inspect.sheet import sheet
from kakusan.inspect.shown import Shown
from kakusan.inspect.wording import Language, worded
from kakusan.pipeline import Picture, draw
from kakusan.pipeline.bars import progress_bar
from kakusan.pipeline.draw import OnPicture
from kakusan.pipeline.progress import OnProgress
from kakusan.pipeline.short import short_request
from kakusan.pipeline.understood import say_understood
from kakusan.prompts import parse
from kakusan.request import Request
from kakusan.request.choices import Folders, say_left, wildcard_folders, with_choices
from kakusan.text import CLIPTokenizer, Understanding, said_once
from kakusan.text.chunked import read_tokens
from kakusan.vocabulary import SHORT

# What an axis may vary, as `kakusan.generate` calls it
AXES = ("steps", "guidance", "scheduler", "seed", "prompt", "negative_prompt", "model")
_ANY = 20  # steps; which words a prompt has does not depend on them
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
        """What the pictures share, and what each has alone; `sheet` tells what was varied."""
        every = [each.record for row in self.pictures for each in row]
        varied = [axis[0] for axis in (self.x, self.y) if axis is not None]
        return {
            **grid_record(every, len(self.pictures), len(self.pictures[0])),
            "sheet": varied,
        }

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
    on_picture: OnPicture | None = None,
    progress: bool | OnProgress | None = None,
    **fixed: Any,
) -> Experiment:
    """Draw a prompt once for each pair of values, always from the same seed unless that varies.

    Args:
        x: one name of `AXES` with its values, from left to right.
        y: another, from top to bottom.
        seed: of every picture; 0 where it neither is given nor varies.
        language: of the words in the figure.
        on_picture: called with each picture as soon as it is finished.
        progress: whether to show one bar on stderr; None shows it only on a terminal. A function is
            called in its place, with how much is done, from 0 to 1, and with what is being drawn.
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
    if "count" in fixed:
        raise RequestError("count has no place here: each setting gets one picture")
    folders, wildcards = fixed.pop("lora_dirs", None), fixed.pop("wildcards", None)
    settings: dict[str, Any] = {"prompt": prompt, "seed": 0, **fixed}
    varied = list(_cells(across, down))
    cells = [[_asked(settings | each) for each in row] for row in varied]
    say_left(*itertools.chain(*cells))
    cells = [[_chosen(each, wildcards) for each in row] for row in cells]
    words = [_words(each) for each in itertools.chain(*varied)]
    drawn = _drawn(list(itertools.chain(*cells)), words, on_picture, progress, folders)
    width = len(across[1])
    pictures = tuple(tuple(drawn[i : i + width]) for i in range(0, len(drawn), width))
    axes = {across[0], down[0] if down else ""}
    told = [] if "prompt" in axes else [prompt]
    told += [] if "seed" in axes else [f"({worded('seed', language)} {settings['seed']})"]
    return Experiment(" ".join(told), across, down, pictures, language)


def _drawn(
    cells: Sequence[Request],
    words: Sequence[str],
    on_picture: OnPicture | None,
    progress: bool | OnProgress | None,
    lora_dirs: Sequence[PathLike] | None,
) -> list[Picture]:
    """The picture of each request, in their order; one bar counts them all."""
    models = list(dict.fromkeys(_model(cell) for cell in cells))
    for model in models:
        locate(model, files=True)
    # One model after the other: the one that was loaded last is at hand
    order = sorted(range(len(cells)), key=lambda i: models.index(_model(cells[i])))
    drawn: dict[int, Picture] = {}
    with said_once():
        _say_understood(cells)
        with _told(progress, len(cells)) as tell:
            for done, index in enumerate(order):
                title = f"picture {done + 1} of {len(cells)}: {words[index]}"
                of_all = functools.partial(_tell_part, tell, title, done, len(cells))
                (drawn[index],) = draw(
                    cells[index], on_picture=on_picture, progress=of_all, lora_dirs=lora_dirs
                )
    return [drawn[index] for index in range(len(cells))]


def _tell_part(
    tell: OnProgress, title: str, done: int, count: int, fraction: float, _words: str
) -> None:
    """Tell of all pictures what is told of the one after `done` of `count`."""
    tell((done + fraction) / count, title)


@contextmanager
def _told(progress: bool | OnProgress | None, pictures: int) -> Generator[OnProgress]:
    """Who is told; a bar where it is not a function."""
    if callable(progress):
        yield progress
        return
    with progress_bar(total=pictures, disable=None if progress is None else not progress) as bar:

        def tell(fraction: float, words: str) -> None:
            bar.set_description_str(words, refresh=False)
            bar.update(round(fraction * pictures, 2) - bar.n)

        yield tell


def _words(varied: Mapping[str, Any]) -> str:
    """What is particular about one picture, for a line of progress."""
    return ", ".join(f"{name} {value!s:.24}" for name, value in varied.items())


def _say_understood(cells: Sequence[Request]) -> None:
    """Say what no cell's model understands, all of it before the first is drawn."""
    texts: dict[tuple[str, str | None], set[tuple[str, bool]]] = {}
    for cell in cells:
        asked = {(text, True) for text in cell.prompt if text}
        asked |= {(text, False) for text in cell.negative_prompt if text}
        texts.setdefault((_model(cell), cell.prompt_syntax), set()).update(asked)
    for (model, syntax), some in texts.items():
        tokenizer = CLIPTokenizer.from_pretrained(model, subfolder="tokenizer")
        found = [_understood(text, split, syntax, tokenizer) for text, split in sorted(some)]
        say_understood(found, model, syntax)


def _understood(
    text: str, split: bool, syntax: str | None, tokenizer: CLIPTokenizer
) -> Understanding:
    if syntax in (None, "plain"):
        return Understanding.of(text, tokenizer)
    parsed = parse(text, syntax, _ANY, split=split)
    return read_tokens(parsed, tokenizer).understanding


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
        return short_request(**{"model": BUILTIN, **settings})


def _chosen(request: Request, wildcards: Folders) -> Request:
    """The same with the choices of its prompts made by its seed."""
    with SHORT.spoken():
        return with_choices(request, [request.seed], wildcard_folders(wildcards, request.syntax))


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
