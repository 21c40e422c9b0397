"""Where models come from: the built-in one, a folder, the Hugging Face Hub; and safe reading."""

import importlib
import sys
import warnings

if "IPython" in sys.modules:
    from tqdm import TqdmWarning

    with warnings.catch_warnings():
        # huggingface_hub will import it, and in a notebook without ipywidgets it warns of its bars
        warnings.simplefilter("ignore", TqdmWarning)
        importlib.import_module("tqdm.auto")
