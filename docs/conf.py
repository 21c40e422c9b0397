"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build`."""

import re
from datetime import date
from pathlib import Path

from sphinx.application import Sphinx

import kakusan

ROOT = Path(__file__).parents[1]

project = "kakusan"
author = "the kakusan developers"
copyright = f"{date.today().year}, {author}"
version = release = kakusan.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "kakusan"
html_static_path = []
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
nitpicky = False


def _name_files(app: Sphinx, page: str, source: list[str]) -> None:
    """Name files of the repository that are no pages, which the site does not have."""
    folder = (Path(app.srcdir) / page).parent

    def named(match: re.Match[str]) -> str:
        target = (folder / match[2].partition("#")[0]).resolve()
        inside = target.is_relative_to(app.srcdir) or target.suffix == ".ipynb"
        return match[0] if inside else f"{match[1]} (`{target.relative_to(ROOT)}`)"

    source[0] = re.sub(r"(?<!!)\[([^\]]+)\]\((\.\.?/[^)]+)\)", named, source[0])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _name_files)
