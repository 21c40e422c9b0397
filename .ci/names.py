"""Whether a tag and a repository are those that the sources name.

python .ci/names.py TAG REPOSITORY
"""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def version() -> str:
    """What `kakusan.__version__` is."""
    text = (ROOT / "src" / "kakusan" / "__init__.py").read_text(encoding="utf-8")
    (found,) = re.findall(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    return found


def repository() -> str:
    """Where pyproject.toml says that the sources are."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = settings["tool"]["hatch"]["metadata"]["hooks"]["custom"]["repository"]
    assert isinstance(found, str)
    return found


def faults(tag: str, place: str) -> list[str]:
    """What does not agree, a line each."""
    found: list[str] = []
    if tag != f"v{version()}":
        found.append(f"the tag is {tag} and the version {version()}: tag v{version()}")
    if place != repository():
        found.append(f"the repository is {place}: name it in pyproject.toml, not {repository()}")
    return found


if __name__ == "__main__":
    sys.exit("\n".join(faults(*sys.argv[1:3])) or None)
