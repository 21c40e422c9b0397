"""A single file as a folder, with what the published layout has no place for kept aside."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan.checkpoints.files import JSON, write_json
from kakusan.checkpoints.names import text
from kakusan.checkpoints.saving import whole
from kakusan.checkpoints.single_file.checkpoint import CONFIGS, Checkpoint
from kakusan.checkpoints.single_file.entries import FLOAT8
from kakusan.checkpoints.single_file.quantised import is_scale
from kakusan.checkpoints.single_file.recognition import PARTS_OF
from kakusan.checkpoints.single_file.split import Group, is_of_training
from kakusan.checkpoints.single_file.writing import FORMS, written
from kakusan.checkpoints.weights import save_weights
from kakusan.errors import listed
from kakusan.models import Model
from kakusan.models.model import PUBLISHED_VERSION
from kakusan.models.network import CONFIG_FILE
from kakusan.pipeline.container import WeightsOptions, is_refiner
from kakusan.pipeline.converted import (
    ASIDE,
    FILE,
    FORMS_KEPT,
    METADATA,
    RENAMED,
    SCHEDULER_FILE,
    TOKENIZERS,
    WEIGHTS,
    Converted,
)
from kakusan.pipeline.index import DEFAULTS, INDEX, write_index
from kakusan.pipeline.parts import LAYOUTS, PARTS, STABLE_DIFFUSION_XL_REFINER
from kakusan.pipeline.single_file import SingleFile
from kakusan.quantized.formats import BLOCKS
from kakusan.quantized.tensor import plain_tensor

IN_BLOCKS = frozenset(each.name.lower() for each in BLOCKS)


def to_folder(checkpoint: Checkpoint, target: Path, dtype: torch.dtype | None) -> Converted:
    """Write a folder, or that of one part where the file holds no more.

    Raises:
        OutputError: It cannot be written.
    """
    done = Converted(target)
    container = SingleFile(checkpoint)
    held = [part for part in WEIGHTS if part in checkpoint.found.parts]
    alone = len(held) == 1
    done.alone = held[0] if alone else None
    done.absent = [part for part in PARTS_OF.get(checkpoint.family or "", ()) if part not in held]
    renamed: dict[str, tuple[str, list[int]]] = {}
    with whole(target, CONFIG_FILE if alone else INDEX) as stage:
        parts: dict[str, Any] = {}
        kept: set[str] = set()
        for part in held:
            kind: type[Model[Any]] = next(iter(PARTS[part].classes.values()))
            network = parts[part] = kind.unfilled(checkpoint)
            folder = stage if alone else stage / part
            published = checkpoint.tensors(part, dtype)
            ours = network.from_published_tensors(published)
            ours = {name: ours[name] for name in network.state_dict()}
            positions = _positions(checkpoint, part)
            named = network.to_published_tensors(ours)
            named |= {text.PREFIX + name: tensor for name, tensor in positions.values()}
            save_weights(named, folder, network.weights_stem)
            header: dict[str, JSON] = {
                "_class_name": kind.__name__,
                "_diffusers_version": PUBLISHED_VERSION,
            }
            write_json(folder / CONFIG_FILE, header | network.config.to_published())
            kept |= _note_names(checkpoint, part, ours, renamed)
            kept |= _note_positions(checkpoint, part, positions, renamed)
        _save_aside(checkpoint, kept, renamed, stage / ASIDE, done)
        if not alone:
            _save_rest(container, parts, stage)
    return done


def _positions(checkpoint: Checkpoint, part: str) -> dict[str, tuple[str, Tensor]]:
    """The numbers of the positions, which old files have beside a text encoder's weights.

    Returns:
        By their names in the file, with the published ones.
    """
    group = checkpoint.part(part).group
    if group.form != "hf":
        return {}
    names = [
        name
        for name in checkpoint.found.split.neighbours
        if name.startswith(group.prefix) and name.endswith("embeddings.position_ids")
    ]
    return {
        name: (text.bare(name.removeprefix(group.prefix)), tensor)
        for name, tensor in checkpoint.file.tensors(names, None)
    }


def _note_names(
    checkpoint: Checkpoint,
    part: str,
    ours: Mapping[str, Tensor],
    renamed: dict[str, tuple[str, list[int]]],
) -> set[str]:
    """Note where a file's names or shapes are not those that a folder would be written in.

    Returns:
        The file's tensors that are in the folder.
    """
    found = checkpoint.part(part)
    used = {name: tensor for name, tensor in ours.items() if name in found.tensors}
    family = checkpoint.family or "v1"
    prefix, form = form_of_group(found.group, FORMS[family].get(part))
    for name, each in written(part, prefix, form, used).items():
        original = found.tensors[each.of[0]].name
        shape = checkpoint.file.entries[original].shape
        if (original, shape) != (name, each.shape):
            renamed[name] = (original, list(shape))
    return {found.tensors[name].name for name in used}


def _note_positions(
    checkpoint: Checkpoint,
    part: str,
    positions: Mapping[str, tuple[str, Tensor]],
    renamed: dict[str, tuple[str, list[int]]],
) -> set[str]:
    """The same for what `_positions` gave."""
    usual = FORMS[checkpoint.family or "v1"].get(part)
    prefix, _ = form_of_group(checkpoint.part(part).group, usual)
    for original, (name, tensor) in positions.items():
        if original != prefix + name:
            renamed[prefix + name] = (original, list(tensor.shape))
    return set(positions)


def form_of_group(group: Group, usual: tuple[str, str] | None) -> tuple[str, str]:
    """The prefix and form that `written` takes for a group; the usual ones where they agree."""
    if usual is not None and usual[1] == group.form and usual[0].startswith(group.prefix):
        return usual
    return group.prefix, group.form


def _save_aside(
    checkpoint: Checkpoint,
    kept: set[str],
    renamed: Mapping[str, tuple[str, list[int]]],
    path: Path,
    done: Converted,
) -> None:
    """Keep what the published layout has no place for, but for a training's own."""
    entries = checkpoint.file.entries
    dropped = [name for name in entries if is_of_training(name)]
    scales = [name for name in entries if is_scale(name)]
    rest = entries.keys() - kept - {*dropped, *scales}
    if dropped:
        done.dropped.append(f"{len(dropped)} tensors of the training ({listed(dropped[:1])}, ...)")
    if any(entry.dtype in FLOAT8 for entry in entries.values()):
        done.changed.append("weights in 8 bits became float16")
    if blocks := sorted({e.dtype for e in entries.values() if e.dtype.lower() in IN_BLOCKS}):
        done.changed.append(f"blocks of {', '.join(blocks)} became plain numbers")
    forms = {
        part: form_of_group(found.group, FORMS[checkpoint.family or "v1"].get(part))
        for part, found in checkpoint.found.parts.items()
    }
    if not rest and not renamed and not checkpoint.file.metadata and not dropped:
        return
    told = {
        FORMS_KEPT: forms,
        METADATA: {k: v for k, v in checkpoint.file.metadata.items() if k != CONFIGS},
        RENAMED: renamed,
    }
    tensors = {
        name: plain_tensor(t).clone() for name, t in checkpoint.file.tensors(list(rest), None)
    }
    save_file(tensors, path, metadata={FILE: json.dumps(told)})


def _save_rest(container: SingleFile, parts: Mapping[str, Any], stage: Path) -> None:
    """The parts without weights, and the index."""
    layout = next(each for each in LAYOUTS if each.only_here <= container.named.keys())
    if is_refiner(container):
        layout = STABLE_DIFFUSION_XL_REFINER
    options = WeightsOptions({"default": None})
    found: dict[str, Any] = dict(parts)
    for part in (*TOKENIZERS, "scheduler"):
        if part in container.named and part in layout.parts:
            kind = next(iter(PARTS[part].classes.values()))
            found[part] = container.load(part, kind, options)
            if part != "scheduler":
                found[part].save_pretrained(stage / part)
    # as it is told: what is only a class's default must not become a setting
    write_json(stage / "scheduler" / SCHEDULER_FILE, container.checkpoint.scheduler())
    if defaults := container.defaults():
        write_json(stage / DEFAULTS, dict(defaults))
    write_index(stage, layout, found, container.settings(layout))
