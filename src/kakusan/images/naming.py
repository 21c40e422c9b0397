"""Names for new pictures: telling, safe on every system, and never taken."""

import re
import unicodedata
from pathlib import Path

from kakusan.errors import OutputError


def slug(text: str, longest: int = 40) -> str:
    """`text` as a part of a file's name: letters and digits of any script, joined by hyphens."""
    words = re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text[:1000]).casefold())
    return "-".join(words)[:longest].strip("-")


def free_path(folder: Path | str, stem: str, suffix: str) -> Path:
    """A new empty file in `folder`: `stem.suffix`, or `stem-2.suffix` when that is taken, ...

    The file, and its folder, is made at once, so that two programs never get the same name;
    `save_image` replaces it.

    Raises:
        OutputError: The folder cannot be written.
    """
    number = 1
    while True:
        path = Path(folder) / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(exist_ok=False)
        except OSError as error:
            if isinstance(error, FileExistsError) and path.parent.is_dir():
                number += 1
                continue
            raise OutputError(f"cannot write '{path}': {error.strerror}") from None
        else:
            return path
