"""Files of IP-Adapters: what makes tokens of a picture, and what a UNet attends to them with."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, cast

import torch
from torch import Tensor

from kakusan.checkpoints.pickled import read_pickled_object
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.opening import PickledFile, open_tensor_file
from kakusan.checkpoints.single_file.others import other_kind
from kakusan.errors import CheckpointError, listed, shown, shown_path
from kakusan.runtime import kernels

PROJECTION, LAYERS = "image_proj", "ip_adapter"
# As training programs name the same two
_TRAINED = {"image_proj_model": PROJECTION, "adapter_modules": LAYERS}
_LAYER = re.compile(r"(\d{1,4})\.(to_k_ip|to_v_ip)\.weight")
_LORA = re.compile(r"\d{1,4}\.to_(?:q|k|v|out)_lora\.(?:down|up)\.weight")


class IPAdapterFile(NamedTuple):
    """The tensors of a file.

    Attributes:
        where: names it in messages.
        projection: `image_proj`, without the prefix.
        layers: by their numbers in the file, `to_k_ip` and `to_v_ip`.
        unknown: names that nobody knows.
    """

    where: str
    projection: Mapping[str, Tensor]
    layers: Mapping[int, tuple[Tensor, Tensor]]
    unknown: tuple[str, ...] = ()


def read_ip_adapter(path: Path) -> IPAdapterFile:
    """Read a file: safetensors with prefixes, or a pickle of two mappings of tensors.

    Raises:
        CheckpointError: It is broken, holds code, or is something else; one line that names it.
    """
    where = shown_path(path)
    file = open_tensor_file(path)
    if isinstance(file, PickledFile):
        return ip_adapter_of(read_pickled_object(path), where)
    return ip_adapter_of(dict(file.tensors(list(file.entries), None)), where)


def check_is_ip_adapter(path: Path) -> None:
    """Say what a file is that is none, as far as that is told without reading its numbers.

    Raises:
        CheckpointError: It is something else, or broken.
    """
    file = open_tensor_file(path)
    heads = {_TRAINED.get(head, head) for head in (name.partition(".")[0] for name in file.entries)}
    if file.entries and not {PROJECTION, LAYERS} <= heads:
        raise _no_adapter(file.entries, shown_path(path))


def ip_adapter_shape(path: Path) -> IPAdapterFile:
    """What a file holds, in tensors of their shapes; of safetensors only the header is read.

    Raises:
        CheckpointError: It is something else, or broken, as far as that is told so.
    """
    file = open_tensor_file(path)
    if isinstance(file, PickledFile):
        return read_ip_adapter(path)
    shapes = {name: torch.empty(each.shape, device="meta") for name, each in file.entries.items()}
    return ip_adapter_of(shapes, shown_path(path))


def ip_adapter_of(given: Mapping[str, object], where: str) -> IPAdapterFile:
    """The same for what is in memory already: tensors by name, or two mappings of them.

    Raises:
        CheckpointError: As for a file.
    """
    tensors = _flat(given, where)
    parts = _parted(tensors)
    projection, layers = parts[PROJECTION], parts[LAYERS]
    if not projection or not layers:
        raise _no_adapter({n: Entry("F32", tuple(t.shape)) for n, t in tensors.items()}, where)
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            raise CheckpointError(f"{where}: {shown(name)} is of {tensor.dtype}: no weight.")
        if not (tensor.is_meta or kernels.all_finite(tensor)):
            raise CheckpointError(f"{where}: {shown(name)} has values that are NaN or infinite.")
    if any(_LORA.fullmatch(name) for name in layers):
        raise CheckpointError(
            f"{where} is an IP-Adapter FaceID, which sees faces through a network of InsightFace; "
            "take a plain one, plus (also for faces) or full-face."
        )
    pairs: dict[int, dict[str, Tensor]] = {}
    unknown = [f"{LAYERS}.{name}" for name in layers if not _LAYER.fullmatch(name)]
    for name, tensor in layers.items():
        if match := _LAYER.fullmatch(name):
            pairs.setdefault(int(match[1]), {})[match[2]] = tensor
    for number, pair in pairs.items():
        for kind in ("to_k_ip", "to_v_ip"):
            if kind not in pair:
                raise CheckpointError(f"{where} lacks {LAYERS}.{number}.{kind}.weight.")
    whole = {number: (p["to_k_ip"], p["to_v_ip"]) for number, p in sorted(pairs.items())}
    return IPAdapterFile(where, projection, whole, (*unknown, *parts[""]))


def _parted(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {PROJECTION: {}, LAYERS: {}, "": {}}
    for name, tensor in tensors.items():
        head, _, rest = name.partition(".")
        head = _TRAINED.get(head, head)
        if head in (PROJECTION, LAYERS):
            parts[head][rest] = tensor
        else:
            parts[""][name] = tensor
    return parts


def _flat(given: Mapping[str, object], where: str) -> dict[str, Tensor]:
    """Tensors by their whole names, of which the heads may be mappings."""
    found: dict[str, Tensor] = {}
    for name, value in given.items():
        if isinstance(value, Tensor):
            found[name] = value.detach()
            continue
        inner = cast("Mapping[object, object]", value) if isinstance(value, Mapping) else {}
        if name not in (PROJECTION, LAYERS, *_TRAINED):
            continue  # of the training
        for key, each in inner.items():
            if not isinstance(each, Tensor):
                raise CheckpointError(f"{where}: {shown(key)} in {name} is no tensor.")
            found[f"{name}.{key}"] = each.detach()
    return found


def _no_adapter(entries: Mapping[str, Entry], where: str) -> CheckpointError:
    other = other_kind(entries)
    if other is not None and other != "an IP-Adapter":
        return CheckpointError(f"{where} is {other}, not an IP-Adapter.")
    heads = {_TRAINED.get(head, head) for head in (name.partition(".")[0] for name in entries)}
    lacks = [each for each in (PROJECTION, LAYERS) if each not in heads]
    has = f" (it has: {listed(entries)})" if entries else ""
    return CheckpointError(f"{where} is no IP-Adapter: it lacks {' and '.join(lacks)}{has}.")
