"""The choices in a request's prompts, `{a|b}` and `__file__`, made by the seed of each picture."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from kakusan.errors import ArgumentError, shown, shown_path
from kakusan.prompts import left_as_text, resolve
from kakusan.request.randomness import SEEDS
from kakusan.request.request import Request

logger = logging.getLogger(__name__)
Folders = str | PathLike[str] | Sequence[str | PathLike[str]] | None
TEXTS = ("prompt", "negative_prompt", "prompt_2", "negative_prompt_2")
# Where a record has what was written before the choice
_TEMPLATES = {"prompt": "template", "negative_prompt": "negative_template"}


def wildcard_folders(wildcards: Folders, syntax: str) -> list[Path]:
    """Where the files are that `__name__` names.

    Raises:
        ArgumentError: One is no folder, or prompts have no grammar of this syntax.
    """
    given = [wildcards] if isinstance(wildcards, str | PathLike) else wildcards
    if given is None:
        return []
    if not isinstance(given, Sequence) or not all(isinstance(w, str | PathLike) for w in given):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentError("{wildcards} must be a folder or a list of them, not {0}", shown(given))
    if syntax == "plain":
        raise ArgumentError(
            "{wildcards} is for prompts with a grammar, and {prompt_syntax} is plain; give "
            "{prompt_syntax}='webui'"
        )
    folders = [Path(each).expanduser() for each in given]
    if missing := next((each for each in folders if not each.is_dir()), None):
        raise ArgumentError("{wildcards}: there is no folder {0}", shown_path(missing))
    return folders


def choice_seeds(first: int, count: int) -> list[int]:
    """By which the choices of each picture are made; the pictures of variations share their own."""
    return [(first + index) % SEEDS for index in range(count)]


def with_choices(
    request: Request,
    seeds: Sequence[int | None],
    folders: Sequence[Path],
    names: Collection[str] = TEXTS,
) -> Request:
    """The request with every choice made, for each picture by its own seed.

    Where a choice was made, each picture has a prompt of its own, and what was written is its
    template. Plain prompts have no choices.

    Args:
        seeds: of each picture; a None allows no choice.
        names: of the texts that may have some; the others are as a picture has them.

    Raises:
        RequestError: A choice cannot be made.
    """
    if request.syntax == "plain":
        return request
    rows = [picture // request.num_images_per_prompt for picture in range(len(seeds))]
    made: dict[str, Any] = {}
    is_chosen = False
    for name in TEXTS:
        texts: Sequence[str | None] | None = getattr(request, name)
        if texts is None:
            continue
        before = [texts[row] for row in rows]
        after = [
            resolve(text, seed, folders) if text is not None and name in names else text
            for text, seed in zip(before, seeds, strict=True)
        ]
        made[name] = tuple(after)
        is_chosen = is_chosen or before != after
        if name in _TEMPLATES and before != after:
            pairs = zip(rows, before, after, strict=True)
            changed = {row for row, old, new in pairs if old != new}
            found = [texts[row] if row in changed else None for row in rows]
            made[_TEMPLATES[name]] = found[0] if len(set(found)) == 1 else tuple(found)
    return replace(request, **made, num_images_per_prompt=1) if is_chosen else request


def say_left(*requests: Request) -> None:
    """Say once what in prompts looks like a choice and is none."""
    texts = [
        text
        for each in requests
        if each.syntax != "plain"
        for name in TEXTS
        for text in getattr(each, name) or ()
    ]
    if left := dict.fromkeys(found for text in texts if text for found in left_as_text(text)):
        logger.warning("%s", words_of_left(left))


def words_of_left(left: Iterable[str]) -> str:
    """That something in a prompt is no choice, in words."""
    listed = ", ".join(shown(each) for each in list(left)[:4])
    return (
        f"the prompt has {listed}, which chooses nothing by the seed and is taken as it stands; "
        "choices are {a|b}, and __name__ for a line of a file"
    )
