"""What the English and the Japanese site are built with alike."""

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
    "sphinx_copybutton",
    "_ext.repository",
    "_ext.formulas",
    "_ext.languages",
]
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 4
html_theme = "furo"
html_show_sphinx = False
html_copy_source = False
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
nitpicky = False
smartquotes = False  # what stands in quotes is mostly to be typed
