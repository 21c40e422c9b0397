"""Where in AUTOMATIC1111's text the settings stand, and what they say.

The prompt comes first, then the negative prompt, then a line such as
`Steps: 20, Sampler: Euler a, Seed: 5, Size: 512x512`; extensions write lines of their own after it
("Template: ..."), and values in quotes that may go over several lines.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

# What a line of settings has at least one of, and what each looks like there
_TELLING = {
    "Steps": re.compile(r"\d{1,9}"),
    "Sampler": re.compile(r"\S.*", re.DOTALL),
    "Seed": re.compile(r"-?\d{1,20}"),
    "Size": re.compile(r"\d{1,6}x\d{1,6}"),
}
# Beside them, what a line without anything else may say
_KNOWN = {*_TELLING, "Schedule type", "CFG scale", "Model hash", "Model", "Clip skip", "Version"}
_ENOUGH = 5  # of these a line of nothing else is settings, whatever their values are
# A name, a colon, then a JSON string or anything up to the next comma
_PAIR = re.compile(
    r"[ \t]*(\w[\w \-/]{1,60}):[ \t]*"
    r'("(?:\\.|[^\\"])*"(?=[ \t]*(?:,|\n|\Z))|[^,\n]*)(?:,|(?=\n)|\Z)',
    re.DOTALL,
)
_MAYBE = re.compile(rf"(?:^|,)[ \t]*(?:{'|'.join(_TELLING)}):[ \t]*\S", re.MULTILINE)
_JSON = json.JSONDecoder(strict=False)
_LONGEST_JSON = 100_000  # characters
_AFTER = re.compile(r"[ \t]*(?:,|(?=\n)|\Z)")
_NEVER = ("Negative prompt:", "Template:", "Negative Template:")


@dataclass(frozen=True)
class Settings:
    """The settings in a text: from `start` to `end`, each name's first value."""

    start: int
    end: int
    told: dict[str, str]
    leads: bool  # whether the line begins with one of the telling settings


def find_settings(text: str) -> Settings | None:
    """The last line of settings in a text whose lines end in a single newline.

    A line that begins with Steps, Sampler, Seed or Size goes before one that only has them.
    """
    found: Settings | None = None
    for start in _lines(text):
        if found is not None and start < found.end:
            continue  # within a quoted value
        here = _settings_at(text, start)
        if here is not None and (found is None or here.leads or not found.leads):
            found = here
    return found


def _lines(text: str) -> Iterator[int]:
    """Where each line begins that may be one of settings."""
    at = 0
    while match := _MAYBE.search(text, at):
        start = text.rfind("\n", at, match.start()) + 1 or at
        if not text.startswith(_NEVER, start):
            yield start
        at = _end_of_line(text, match.end()) + 1


def _settings_at(text: str, start: int) -> Settings | None:
    told: dict[str, str] = {}
    at, count, whole, end = start, 0, True, _end_of_line(text, start)
    while (match := _PAIR.search(text, at)) and match.start() < end:
        whole = whole and match.start() == at
        value, at = _value(text, match)
        told.setdefault(match[1].strip(), value)
        count += 1
        if at >= end:  # of the line, unless a quoted value goes on in the next
            end = _end_of_line(text, at)
        if at == end:
            break
    whole = whole and not text[at:end].strip()
    telling = [n for n, shape in _TELLING.items() if n in told and shape.fullmatch(told[n])]
    strong = whole and telling != ["Sampler"] and (count > 2 or told.keys() <= _KNOWN)
    formed = whole and next(iter(told), "") in _TELLING and len(told.keys() & _KNOWN) >= _ENOUGH
    if not formed and (not telling or not (len(telling) > 1 or strong)):
        return None
    return Settings(start, end, told, next(iter(told)) in telling)


def _end_of_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def _value(text: str, match: re.Match[str]) -> tuple[str, int]:
    """A value, and where the next setting begins; extensions write JSON without quotes too."""
    if match[2].startswith(("{", "[")):
        try:
            _, length = _JSON.raw_decode(text[match.start(2) : match.start(2) + _LONGEST_JSON])
            end = match.start(2) + length
        except (ValueError, RecursionError):
            end = match.end(2)
        after = _AFTER.match(text, end)
        if after is not None and end > match.start(2):
            return text[match.start(2) : end], after.end()
    return _unquoted(match[2]), match.end()


def _unquoted(text: str) -> str:
    if not (text.startswith('"') and text.endswith('"') and len(text) > 1):
        return text.strip()
    try:
        return str(json.loads(text, strict=False))  # line ends may stand in it as they are
    except ValueError:
        return text
