"""Where the pictures of a job are, in a file, so that they go on from there after a crash.

A safetensors file: the tensors, and under the key `kakusan` of its metadata a JSON text.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from kakusan import __version__
from kakusan.errors import InputError
from kakusan.sampling import ChainedState, Driven, TrajectoryState
from kakusan.schedulers.source import NoiseSource
from kakusan.server.queue.job import Job
from kakusan.server.worker.packing import packed, unpacked

KEY = "kakusan"


def saved(job: Job, ways: Mapping[int, Driven], model: str) -> bytes | None:
    """The file for pictures under way, by their numbers; None where none of them can be kept."""
    tensors, told = dict[str, Tensor](), dict[str, Any]()
    for index, way in ways.items():
        state = way.state()
        if state is None:
            continue
        own = dict(tensors)
        try:
            told[str(index)] = packed(state, own)
        except InputError:  # a scheduler's history of another kind: this one begins anew
            continue
        tensors = own
    if not told:
        return None
    about = {"of": _identity(job, model), "pictures": told}
    return save(tensors, {"format": "pt", KEY: json.dumps(about)})


@dataclass(frozen=True)
class Kept:
    """What was kept of a job: states by the numbers of pictures."""

    pictures: Mapping[int, Any]
    tensors: Mapping[str, Tensor]

    def resume(self, way: Driven, device: torch.device, source: NoiseSource | None) -> bool:
        """Have a way go on from its state; says whether there is one that fits.

        Raises:
            InputError: The state is broken; the way has to be made anew.
        """
        told = self.pictures.get(way.pictures.start)
        if told is None:
            return False
        state = unpacked(told, self.tensors, device, source)
        if not isinstance(state, TrajectoryState | ChainedState):
            raise InputError("a kept state is broken")
        way.resume(state)
        return True


def kept(path: Path, job: Job, model: str) -> Kept | None:
    """What was kept of a job; None where that is of another version or request, or broken."""
    try:
        with safe_open(path, framework="pt") as file:
            about: Any = json.loads((file.metadata() or {})[KEY])
            tensors = {name: cast("Tensor", file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
        if about["of"] != _identity(job, model):
            return None
        pictures = {int(index): told for index, told in about["pictures"].items()}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Kept(pictures, tensors)


def _identity(job: Job, model: str) -> dict[str, str]:
    """What has to be the same, so that a state can be gone on from."""
    request = json.dumps(dict(job.submission.request), sort_keys=True)
    digest = hashlib.sha256(request.encode()).hexdigest()
    return {"version": __version__, "request": digest, "model": model}
