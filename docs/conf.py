"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build`.

The Japanese pages are a project of their own (`ja/conf.py`), which is built along with this one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from _ext.shared import *  # noqa: F403

language = "en"
html_title = "kakusan"
html_static_path = ["_static"]
html_css_files = ["site.css"]
exclude_patterns = ["_build", "ja"]
