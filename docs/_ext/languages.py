"""Two languages in one site: a switch on each page, and both built by one command."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

DOCS = Path(__file__).parents[1]
FOLDERS = {"en": DOCS, "ja": DOCS / "ja"}
NAMES = {"en": "English", "ja": "日本語"}


def _add_switch(
    app: Sphinx, page: str, _template: str, context: dict[str, Any], _tree: nodes.document | None
) -> None:
    """Begin each page with a link to the same one in the other language, or to its first page."""
    here = app.config.language
    there = "ja" if here == "en" else "en"
    same = (FOLDERS[there] / f"{page}.md").exists()
    up = "../" * page.count("/")
    folder = f"{up}ja/" if there == "ja" else f"{up}../"
    address = f"{folder}{page if same else 'index'}.html"
    switch = f'<a class="language" lang="{there}" hreflang="{there}" href="{address}">'
    context["body"] = f"{switch}{NAMES[there]}</a>\n{context.get('body', '')}"
    if same:
        link = f'<link rel="alternate" hreflang="{there}" href="{address}" />'
        context["metatags"] = f"{context.get('metatags', '')}\n{link}"


def _build_japanese(app: Sphinx, error: Exception | None) -> None:
    """Build the Japanese pages into a folder of the English ones.

    Raises:
        ExtensionError: They cannot be built.
    """
    if error or app.config.language != "en" or app.builder.name != "html":
        return
    strict = ["-W", "--keep-going"] if app.warningiserror else []
    command = [sys.executable, "-m", "sphinx", "-q", *strict, "-d", str(app.doctreedir / "ja")]
    done = subprocess.run([*command, str(FOLDERS["ja"]), str(app.outdir / "ja")], check=False)
    if done.returncode != 0:
        raise ExtensionError("the Japanese pages could not be built")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("html-page-context", _add_switch)
    app.connect("build-finished", _build_japanese)
    return {"parallel_read_safe": True}
