"""Progress bars, as the place allows: a notebook's own, or text."""

import importlib
import importlib.util
import sys
from typing import Any

from tqdm import tqdm


def progress_bar(**options: Any) -> "tqdm[Any]":
    """A bar with tqdm's options.

    In a notebook it is Jupyter's own where ipywidgets is installed (the extra `inspect`), and else
    text among what the cell prints, which Jupyter does not mark as an error as it marks stderr.
    """
    if not in_notebook():
        return tqdm(**options)
    if importlib.util.find_spec("ipywidgets"):
        return importlib.import_module("tqdm.notebook").tqdm(**options)
    options.setdefault("file", sys.stdout)
    return tqdm(**options)


def in_notebook() -> bool:
    """Whether a notebook shows what this process prints."""
    shell = sys.modules.get("IPython")
    running = shell and shell.get_ipython()
    return hasattr(running, "kernel")
