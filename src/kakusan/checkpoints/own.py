"""What comes with the package beside the built-in model, and is called "builtin" too."""

import os
from pathlib import Path

from kakusan.checkpoints.source import BUILTIN, PathLike
from kakusan.errors import ModelNotFoundError

# By what is asked for, in the package's folder
CONTROLNET = "controlnet-canny"
IP_ADAPTER = "ip-adapter/ip-adapter.safetensors"
IMAGE_ENCODER = "ip-adapter/image_encoder"
FOLDER = Path(__file__).parents[1] / "builtin"


def own(name: PathLike, what: str) -> PathLike:
    """A name as it is; of "builtin" the file or the folder of what steers the built-in model.

    Raises:
        ModelNotFoundError: This installation lacks it.
    """
    if os.fspath(name) != BUILTIN:
        return name
    path = FOLDER / what
    if not path.exists():
        raise ModelNotFoundError(f"this installation lacks {what}, called {BUILTIN!r} ({path}).")
    return path


def called(path: PathLike) -> str:
    """What records call a file or a folder: its path, or "builtin" if it is the package's own."""
    ours = (FOLDER / what for what in (CONTROLNET, IP_ADAPTER, IMAGE_ENCODER))
    return BUILTIN if Path(path) in ours else os.fspath(path)
