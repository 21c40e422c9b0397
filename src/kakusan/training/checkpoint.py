"""Reads what a run has stored of a stage."""

import json
import math
from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from kakusan.errors import CheckpointError, reason, shown_path


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a run's checkpoint, and what it says of them: all that `save` writes.

    Raises:
        CheckpointError: It is broken, or of another program.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            metadata: dict[str, str] = file.metadata() or {}
        known = isinstance(json.loads(metadata["settings"]), dict) and int(metadata["step"]) >= 1
        numbers = [float(metadata[key]) for key in ("done", "seconds")]
        if not known or not all(0 <= number < math.inf for number in numbers):
            raise ValueError("its metadata are another program's")
    except (SafetensorError, OSError, KeyError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{shown_path(path)} is no whole checkpoint of a run ({reason(error)}); "
            "remove it or give another run folder."
        ) from None
    return tensors, metadata


def averages(path: Path) -> dict[str, Tensor]:
    """The averaged weights in a run's checkpoint, by the names that the stage's networks have.

    Raises:
        CheckpointError: It is broken, or of another program.
    """
    start = "average."
    tensors, _ = read_checkpoint(path)
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }
