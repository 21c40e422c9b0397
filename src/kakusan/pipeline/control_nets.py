"""Networks that steer, by the names that a request has for them: found, checked, then read."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from kakusan.checkpoints.files import file_names, read_json
from kakusan.checkpoints.own import CONTROLNET, own
from kakusan.checkpoints.selection import is_weights
from kakusan.checkpoints.single_file.control import control_class
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.source import BUILTIN, PathLike, locate
from kakusan.errors import ArgumentError, CheckpointError, shown, shown_path
from kakusan.inputs import Inputs
from kakusan.models import (
    ControlNetModel,
    ControlNetUnionModel,
    Model,
    Steerer,
    T2IAdapter,
    UNet2DConditionModel,
)
from kakusan.pipeline.adapter_search import hash_of_file
from kakusan.pipeline.exchanged import CONFIG, INDEX, NamedPart, in_checkpoint
from kakusan.request import ControlAsked, Request
from kakusan.request.preprocessors import PREPROCESSORS, made_by
from kakusan.steering import check_adapter, check_net

_CLASSES: Mapping[str, type[Model[Any]]] = {
    each.__name__: each for each in (ControlNetModel, ControlNetUnionModel, T2IAdapter)
}
_MOST_KEPT = 2


class NamedNet:
    """A network that a request names, whose weights are yet to be read; equal if it is the same.

    Args:
        name: "builtin", a folder, a file or a Hub id.

    Attributes:
        network: as its files describe it.
        file: with its weights; None where these are several.

    Raises:
        CheckpointError: A file is missing, broken, or no such network's.
    """

    def __init__(self, name: str, *, local_files_only: bool = False) -> None:
        self.name = name
        source = locate(own(name, CONTROLNET), local_files_only=local_files_only, files=True)
        folder = _own_folder(source.folder)
        part = _in_folder(folder) if source.file is None else _in_file(source.file)
        self.network, self._read = part.network, part.read
        self.file = source.file or _weights_in(folder)
        status = None if self.file is None else self.file.stat()
        self._key = (name, status and (str(self.file), status.st_mtime_ns, status.st_size))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedNet) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    @property
    def sha256(self) -> str | None:
        """Of its file, where that is one."""
        return None if self.file is None else hash_of_file(self.file)

    def check(self, unet: UNet2DConditionModel) -> None:
        """Raise ArgumentError, with its name, where it is for another family of models."""
        try:
            if isinstance(self.network, T2IAdapter):
                check_adapter(self.network, unet)
            elif isinstance(self.network, Steerer):
                check_net(self.network, unet)
        except ArgumentError as error:
            raise ArgumentError("{controls}: {0}: {1}", shown(self.name), str(error)) from None

    def read(self, dtype: torch.dtype) -> Model[Any]:
        """The network with its weights, stored in `dtype`."""
        network = self._read(dtype)
        network.name_or_path = self.name
        return network


def named_nets(
    request: Request, inputs: Inputs, *, local_files_only: bool = False
) -> list[NamedNet]:
    """The networks that a request names and that were not handed in.

    Raises:
        CheckpointError: A file is missing, broken, or no such network's.
        ArgumentError: One is not named, or another file than a record tells of.
    """
    found: list[NamedNet] = []
    for asked, given in zip(request.controls or (), inputs.controls, strict=False):
        if given.net is not None:
            continue
        if asked.model is None:
            raise ArgumentError("one of {controls} names no network; give its folder or file")
        net = NamedNet(asked.model, local_files_only=local_files_only)
        if asked.sha256 is not None and net.sha256 not in (None, asked.sha256):
            raise ArgumentError(
                "{controls}: {0} is another network than the one that the record tells of, whose "
                "SHA-256 begins with {1}",
                *(shown_path(asked.model), asked.sha256[:10]),
            )
        found.append(net)
    return found


def with_nets(
    request: Request,
    inputs: Inputs,
    nets: Sequence[NamedNet],
    dtype: torch.dtype,
    unet: UNet2DConditionModel,
) -> tuple[Request, Inputs]:
    """The same with the networks that were named, read in one dtype, and their hashes."""
    left = iter(nets)
    controls, given = list(request.controls or ()), list(inputs.controls)
    for index, each in enumerate(given):
        if each.net is not None:
            continue
        net = next(left)
        net.check(unet)
        read = _read(net, dtype)
        if unet.device.type != "cpu":  # networks that take turns wait where they are
            read.to(unet.device)
        given[index] = replace(each, net=read)
        controls[index] = _known(controls[index], read)._replace(sha256=net.sha256)
    return (
        replace(request, controls=tuple(controls) or None),
        replace(inputs, controls=tuple(given)),
    )


def nets_again(
    controls: Sequence[ControlAsked] | None, given: Sequence[PathLike] | None, *, trusted: bool
) -> tuple[ControlAsked, ...] | None:
    """What a record asks of networks, with the user's own in the place of those that it names.

    Args:
        given: folders, files and Hub ids of networks that the user names.
        trusted: whether the record's own may be used.

    Raises:
        ArgumentError: One is not among them, and may not be used unasked; or none is needed.
    """
    names = [os.fspath(each) for each in given or ()]
    if not controls:
        if names:
            raise ArgumentError("no network steered the picture; leave {control_models} out")
        return None
    known = {name: NamedNet(name).sha256 for name in dict.fromkeys(names)}
    return tuple(_again(asked, known, len(controls) == 1, trusted=trusted) for asked in controls)


def _again(
    asked: ControlAsked, known: Mapping[str, str | None], alone: bool, *, trusted: bool
) -> ControlAsked:
    same = [name for name, digest in known.items() if digest is not None and digest == asked.sha256]
    untold = [name for name, digest in known.items() if None in (digest, asked.sha256)]
    named = [name for name in untold if _last(name) == _last(asked.model or "")]
    for name in (*same, *named, *(untold if alone and len(known) == 1 else ())):
        return asked._replace(model=name)
    if asked.model == BUILTIN or (trusted and asked.model is not None and not known):
        return asked
    digest = "" if asked.sha256 is None else f" (SHA-256 {asked.sha256[:10]}...)"
    where = f"; it is not {', '.join(map(shown_path, known))}" if known else ""
    raise ArgumentError(
        f"the record names the network {{0}}{digest}, which steered the picture{where}; say with "
        "{control_models} where it is",
        shown(asked.model or "that was handed in"),
    )


def _last(name: str) -> str:
    return re.split(r"[\\/]", name.rstrip("\\/"))[-1]


@lru_cache(maxsize=_MOST_KEPT)
def _read(net: NamedNet, dtype: torch.dtype) -> Model[Any]:
    return net.read(dtype)


def _known(asked: ControlAsked, net: Model[Any]) -> ControlAsked:
    """With what a union is to take the picture for, where its preprocessor tells."""
    if asked.type is not None or asked.kind is None or not isinstance(net, ControlNetUnionModel):
        return asked
    return asked._replace(type=PREPROCESSORS[made_by(asked.kind).name].type)


def _own_folder(folder: Path) -> Path:
    """Of a whole pipeline its ControlNet's."""
    inside = folder / "controlnet"
    return inside if (folder / INDEX).is_file() and inside.is_dir() else folder


def _in_folder(folder: Path) -> NamedPart:
    path = folder / CONFIG
    if not path.is_file():
        file = _weights_in(folder)
        if file is not None:
            return _in_file(file)
        raise CheckpointError(
            f"{shown_path(folder)} has no {CONFIG}, so it is no ControlNet's folder; name the "
            "folder or the file that is one"
        )
    named = read_json(path).get("_class_name")
    if not isinstance(named, str) or named not in _CLASSES:
        raise CheckpointError(
            f"{shown_path(folder)} is of class {shown(named)}; what steers is "
            f"{' or '.join(_CLASSES)}"
        )
    kind = _CLASSES[named]
    return NamedPart(kind.shaped_as(folder), lambda dtype: kind.from_folder(folder, dtype))


def _in_file(file: Path) -> NamedPart:
    kind = _CLASSES[control_class(open_tensor_file(file).entries) or "ControlNetModel"]
    return in_checkpoint(kind, kind.checkpoint_class(file))


def _weights_in(folder: Path) -> Path | None:
    """The one file of weights in a folder; None where there are several, or none."""
    files = sorted(name for name in file_names(folder) if is_weights(name))
    mapped = [name for name in files if name.endswith(".safetensors")]
    chosen = mapped if len(mapped) == 1 else files
    return folder / chosen[0] if len(chosen) == 1 else None
