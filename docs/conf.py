"""How Sphinx builds the documentation: `sphinx-build -W docs docs/_build`."""

from datetime import date

import kakusan

project = "kakusan"
author = "the kakusan developers"
copyright = f"{date.today().year}, {author}"
version = release = kakusan.__version__
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "kakusan"
html_static_path = []
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
nitpicky = False
