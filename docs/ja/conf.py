"""How Sphinx builds the Japanese pages; `sphinx-build docs docs/_build` builds them too."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from _ext.shared import *  # noqa: F403

language = "ja"
html_title = "kakusan（拡散）"
html_static_path = ["../_static"]
html_css_files = ["site.css"]
locale_dirs = ["locales"]  # words of the theme that Sphinx has no Japanese for
