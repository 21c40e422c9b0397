"""Parts that a request names in place of the model's own: another UNet, another VAE."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from kakusan.checkpoints.files import JSON, read_json
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.loading import checkpoint_of
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.source import locate
from kakusan.errors import CheckpointError, shown
from kakusan.models import (
    AutoencoderKL,
    AutoencoderTiny,
    Model,
    UNet2DConditionModel,
    VAEConfig,
    is_tiny,
)
from kakusan.pipeline.parts import PARTS

# Those that a request may name
NAMED = ("unet", "vae")
INDEX, CONFIG = "model_index.json", "config.json"


@dataclass(frozen=True)
class NamedPart:
    """A part that a request names, whose weights are yet to be read.

    Attributes:
        network: as its files describe it.
        read: gives it with its weights stored in a dtype.
    """

    network: Model[Any]
    read: Callable[[torch.dtype], Model[Any]]


def named_parts(
    names: Mapping[str, str | None],
    *,
    own_vae: Callable[[], Mapping[str, JSON] | None],
    local_files_only: bool = False,
) -> dict[str, NamedPart]:
    """The parts that a request names; none for a name of None.

    Args:
        own_vae: gives the published config of the model's own VAE, None where it is not known. The
            file of another one does not tell what its latents are scaled by.
        local_files_only: Do not ask the hub.

    Raises:
        CheckpointError: A file is missing, broken, or not what it stands for.
    """
    found: dict[str, NamedPart] = {}
    for part, name in names.items():
        if name is None:
            continue
        source = locate(name, local_files_only=local_files_only, files=True)
        if source.file is None:
            folder = source.folder / part if (source.folder / INDEX).is_file() else source.folder
            named = _in_folder(part, folder)
        else:
            named = _in_file(part, source.file, own_vae)
        named.network.name_or_path = name
        if isinstance(named.network, AutoencoderTiny):
            named.network.check_decodes()
        found[part] = named
    return found


def read_parts(named: Mapping[str, NamedPart], dtype: torch.dtype) -> dict[str, Model[Any]]:
    """The same with their weights, stored in `dtype`.

    Raises:
        CheckpointError: A file is missing, broken, or not what it stands for.
    """
    found: dict[str, Model[Any]] = {}
    for part, each in named.items():
        found[part] = each.read(dtype)
        found[part].name_or_path = each.network.name_or_path
    return found


def _in_folder(part: str, folder: Path) -> NamedPart:
    kind = class_of(part, folder)
    return NamedPart(kind.shaped_as(folder), lambda dtype: kind.from_folder(folder, dtype))


def _in_file(part: str, file: Path, own_vae: Callable[[], Mapping[str, JSON] | None]) -> NamedPart:
    if part == "unet":
        return in_checkpoint(UNet2DConditionModel, checkpoint_of(file, {}))
    if is_tiny(open_tensor_file(file).entries):
        kind = AutoencoderTiny  # small enough to be read for its shape
        return NamedPart(kind.from_file(file, None), lambda dtype: kind.from_file(file, dtype))
    checkpoint = checkpoint_of(file, {})
    own = own_vae() if checkpoint.family is None else None  # a whole model's is known
    if own is None:
        return in_checkpoint(AutoencoderKL, checkpoint)
    config = VAEConfig.from_published(own)
    said = checkpoint_of(file, {"scaling_factor": config.scaling_factor})
    return in_checkpoint(AutoencoderKL, said, lambda vae: _with_statistics(vae, config))


def in_checkpoint(
    kind: type[Model[Any]],
    checkpoint: Checkpoint,
    then: Callable[[Any], Model[Any]] = lambda network: network,
) -> NamedPart:
    """A part of a single file that was opened."""
    return NamedPart(
        then(kind.unfilled(checkpoint)),
        lambda dtype: then(kind.from_checkpoint(checkpoint, dtype)),
    )


def _with_statistics(vae: AutoencoderKL, own: VAEConfig) -> AutoencoderKL:
    """A VAE whose latents are spread as the model's own are, where its file does not say how."""
    if vae.config.latents_mean is None:
        mean, std = own.latents_mean, own.latents_std
        vae.config = replace(vae.config, latents_mean=mean, latents_std=std)
    return vae


def class_of(part: str, folder: Path) -> type[Model[Any]]:
    """Our class for what a folder has, by its config."""
    classes, path = PARTS[part].classes, folder / CONFIG
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {CONFIG}, so it is not a {part}'s folder")
    named = read_json(path).get("_class_name", next(iter(classes)))
    if not isinstance(named, str) or named not in classes:
        can = " or ".join(classes)
        raise CheckpointError(f"{path} is of class {shown(named)}; a {part} is {can}")
    return classes[named]
