"""Names for new pictures: telling, safe on every system, and never taken."""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path


def slug(text: str, longest: int = 40) -> str:
    """`text` as a part of a file's name: letters and digits of any script, joined by hyphens."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text[:1000]).casefold())
    return "-".join(words)[:longest].strip("-")


def candidates(path: Path) -> Iterator[Path]:
    """`stem.suffix`, then `stem-2.suffix`, `stem-3.suffix`, ... in the same folder."""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
