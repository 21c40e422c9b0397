"""Styles: texts by names that are put to prompts, from a file `styles.csv` as the web UI has it."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

FILE = "styles.csv"
_MOST, _LARGEST = 10_000, 2**24  # styles, and bytes of their file
_PLACE = "{prompt}"


class Style(NamedTuple):
    """What is put to a prompt and to a negative prompt."""

    name: str
    prompt: str = ""
    negative_prompt: str = ""


def read_styles(folder: Path) -> list[Style]:
    """Those of a folder's file, as it is now; none where it has none, or a broken one."""
    path = folder / FILE
    try:
        if path.stat().st_size > _LARGEST:
            return []
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row, _ in zip(csv.DictReader(file), range(_MOST), strict=False)]
    except (OSError, ValueError, csv.Error):
        return []
    texts = [[row.get(name) or "" for name in Style._fields] for row in rows]
    return [Style(*each) for each in texts if each[0]]


def applied(
    names: Sequence[object], styles: Sequence[Style], prompt: str, negative: str
) -> tuple[str, str, list[str]]:
    """Both prompts with styles, and the names that no style has."""
    known, unknown = {each.name: each for each in styles}, list[str]()
    for name in names:
        style = known.get(str(name))
        if style is None:
            unknown.append(f"styles: {str(name)[:100]}")
            continue
        prompt = _with(prompt, style.prompt)
        negative = _with(negative, style.negative_prompt)
    return prompt, negative, unknown


def listed(styles: Sequence[Style]) -> list[dict[str, Any]]:
    """As GET prompt-styles has them."""
    return [each._asdict() for each in styles]


def _with(text: str, style: str) -> str:
    """A style says where the prompt stands in it, or stands behind it."""
    if style.count(_PLACE):
        return text.join(style.split(_PLACE))
    pieces = [piece for piece in map(str.strip, (text, style)) if piece]
    return ", ".join(pieces)
