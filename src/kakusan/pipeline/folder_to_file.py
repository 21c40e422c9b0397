"""A folder as the tensors and metadata of a single file, in the original names."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from kakusan.checkpoints.files import JSON, read_json
from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.vae import today
from kakusan.checkpoints.single_file import edm
from kakusan.checkpoints.single_file.checkpoint import CONFIGS
from kakusan.checkpoints.single_file.edm import edm_name
from kakusan.checkpoints.single_file.header import read_header
from kakusan.checkpoints.single_file.recognition import family_of
from kakusan.checkpoints.single_file.writing import FORMS, Written, as_is, reshaped, written
from kakusan.checkpoints.weights import find_weights, read_weights
from kakusan.errors import CheckpointError, shown_path
from kakusan.models.network import CONFIG_FILE
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
from kakusan.pipeline.index import DEFAULTS, Folder
from kakusan.text.clip_vocabulary import PAD_END, PAD_ZERO, clip_vocabulary
from kakusan.text.vocabulary import Vocabulary

_ARCHITECTURES = {
    "v1": "stable-diffusion-v1",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl-refiner": "stable-diffusion-xl-v1-refiner",
}


def folder_as_file(
    folder: Folder, target: Path, dtype: torch.dtype | None, variant: str | None
) -> tuple[Converted, dict[str, Written], dict[str, str]]:
    """What is written of a folder: tensors in the original names, and metadata."""
    done = Converted(target)
    parts = [part for part in WEIGHTS if isinstance(folder.named.get(part), str)]
    tensors = {part: _published(folder.path / part, part, variant) for part in parts}
    if "unet" not in tensors:
        raise CheckpointError(f"{folder} has no unet, so it is no whole model; give that of one")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors["unet"].items()}
    family = family_of(shapes, second="text_encoder_2" in parts, first="text_encoder" in parts)
    aside, told = _aside(folder.path / ASIDE)
    forms = {**FORMS[family], **told.get(FORMS_KEPT, {})}
    out: dict[str, Written] = {}
    for part in parts:
        prefix, form = forms[part]
        out |= written(part, prefix, form, _without_positions(tensors[part], form, done), dtype)
    out = _as_it_was(out, told.get(RENAMED, {}))
    out |= {name: as_is(tensor) for name, tensor in aside.items() if name not in out}
    out |= {name: as_is(tensor) for name, tensor in flags_of(folder, out).items()}
    done.dropped += [
        f"{part}: a single file has no place for it"
        for part, kind in folder.named.items()
        if isinstance(kind, str) and part not in {*WEIGHTS, *TOKENIZERS, "scheduler"}
    ]
    configs = _configs(folder, parts, family)
    metadata = {**_modelspec(family, configs, target), **told.get(METADATA, {})}
    return done, out, metadata | {CONFIGS: json.dumps(configs)}


def _published(folder: Path, part: str, variant: str | None) -> dict[str, Tensor]:
    """A part's tensors as today's folders name them, those of texts without `text_model.`."""
    stem = "model" if part.startswith("text") else "diffusion_pytorch_model"
    read = read_weights(find_weights(folder, stem, variant=variant), dtype=None)
    if part.startswith("text"):
        return {text.bare(name): tensor for name, tensor in read.items()}
    if part == "vae":
        return {today(name): tensor for name, tensor in read.items()}
    return read


def _without_positions(
    tensors: Mapping[str, Tensor], form: str, done: Converted
) -> Mapping[str, Tensor]:
    """OpenCLIP's files do not number the positions."""
    kept = {name: t for name, t in tensors.items() if not name.endswith("position_ids")}
    if form != "openclip" or len(kept) == len(tensors):
        return tensors
    done.dropped.append("position_ids: OpenCLIP's names have none")
    return kept


def _as_it_was(
    out: Mapping[str, Written], renamed: Mapping[str, tuple[str, list[int]]]
) -> dict[str, Written]:
    """Tensors that a file had under another name or in another shape get those back."""
    found: dict[str, Written] = {}
    for name, each in out.items():
        if name in renamed:
            name, shape = renamed[name]
            each = reshaped(each, tuple(shape))
        found[name] = each
    return found


def _configs(folder: Folder, parts: list[str], family: str) -> dict[str, JSON]:
    """What a file's names and shapes do not say: configs, and a vocabulary that is not CLIP's."""
    configs: dict[str, JSON] = {part: read_json(folder.path / part / CONFIG_FILE) for part in parts}
    scheduler = folder.path / "scheduler" / SCHEDULER_FILE
    if scheduler.is_file():
        configs["scheduler"] = read_json(scheduler)
    for part in TOKENIZERS:
        if isinstance(folder.named.get(part), str):
            own = Vocabulary.read(folder.path / part)
            zero = part == "tokenizer_2" or family == "v2"
            if own != clip_vocabulary(PAD_ZERO if zero else PAD_END):
                configs[part] = own.to_json()
    if (folder.path / DEFAULTS).is_file():
        configs[DEFAULTS] = read_json(folder.path / DEFAULTS)
    return configs


def flags_of(folder: Folder, there: Collection[str]) -> dict[str, Tensor]:
    """The flags by which other programs tell a model on EDM's noise levels.

    Args:
        there: the file's tensors already, which may have them.
    """
    path = folder.path / "scheduler" / SCHEDULER_FILE
    scheduler = read_json(path) if path.is_file() else {}
    vae = folder.config("vae") or {}
    told: dict[str, JSON] = {}
    if str(scheduler.get("_class_name")).startswith("EDM"):
        if scheduler.get("prediction_type") == "v_prediction":
            told = {flag: scheduler.get(key) for key, flag in edm.SIGMAS.items()}
        elif vae.get("latents_mean") is not None and vae.get("latents_std") is not None:
            told = {flag: vae.get(key) for key, flag in edm.STATISTICS.items()}
    if edm_name(there) is not None or any(value is None for value in told.values()):
        return {}
    flags = {name: torch.tensor(value) for name, value in told.items()}
    return {name: flag.reshape(1, -1, 1, 1) if flag.ndim else flag for name, flag in flags.items()}


def _modelspec(family: str, configs: Mapping[str, JSON], target: Path) -> dict[str, str]:
    """What other programs show of a model (ModelSpec)."""
    scheduler, unet = configs.get("scheduler"), configs["unet"]
    kind = scheduler.get("prediction_type") if isinstance(scheduler, dict) else None
    size = unet.get("sample_size") if isinstance(unet, dict) else None
    predicts = "v" if kind == "v_prediction" else str(kind or "epsilon")
    v2 = "stable-diffusion-v2-768-v" if predicts == "v" else "stable-diffusion-v2-512"
    spec = {
        "sai_model_spec": "1.0.0",
        "architecture": _ARCHITECTURES.get(family, v2),
        "implementation": "diffusers",
        "title": target.stem,
        "prediction_type": predicts,
    }
    if isinstance(size, int):
        spec["resolution"] = f"{8 * size}x{8 * size}"
    return {f"modelspec.{key}": value for key, value in spec.items()}


def _aside(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What a folder keeps of the file that it was made from."""
    if not path.is_file():
        return {}, {}
    tensors = read_weights([path], dtype=None)
    try:
        told: Any = json.loads(read_header(path).metadata.get(FILE, "{}"))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise CheckpointError(f"{shown_path(path)} is not what kakusan keeps of a file; remove it")
    return tensors, cast("dict[str, Any]", told)
