"""Where the numbers of a benchmark go: to stdout, and as a table and JSON under results/."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.measure import processor

RESULTS = Path(__file__).parent / "results"


def keep(
    kind: str, results: Mapping[str, Any], text: str, folder: Path | None, *, trial: bool
) -> None:
    """Print the text; write it and the numbers as `kind`-processor.md and .json.

    Args:
        folder: `RESULTS` where not given.
        trial: Write only if a folder was given: tiny networks' times are no results.
    """
    print(text, end="")
    if folder is None and trial:
        return
    folder = folder or RESULTS
    folder.mkdir(parents=True, exist_ok=True)
    words = (kind, processor(), results.get("isa") or "")
    name = re.sub(r"[^a-z0-9]+", "-", " ".join(words).casefold()).strip("-")
    (folder / f"{name}.md").write_text(text, encoding="utf-8")
    (folder / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
