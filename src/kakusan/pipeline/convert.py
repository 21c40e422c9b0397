"""Between a folder and a single file, both ways, so that nothing is lost on the way back."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan.checkpoints.files import JSON, OnBytes, read_json, write_json
from kakusan.checkpoints.gguf import ARCHITECTURE
from kakusan.checkpoints.gguf_fields import text_field
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.checkpoints.names import text
from kakusan.checkpoints.names.vae import today
from kakusan.checkpoints.quantizing import formats_of, parse_format, with_convolutions
from kakusan.checkpoints.saving import whole
from kakusan.checkpoints.single_file import edm
from kakusan.checkpoints.single_file.checkpoint import CONFIGS, Checkpoint
from kakusan.checkpoints.single_file.edm import edm_name
from kakusan.checkpoints.single_file.entries import FLOAT8
from kakusan.checkpoints.single_file.header import read_header
from kakusan.checkpoints.single_file.loading import checkpoint_of
from kakusan.checkpoints.single_file.quantised import is_scale
from kakusan.checkpoints.single_file.recognition import PARTS_OF, family_of
from kakusan.checkpoints.single_file.split import Group, is_of_training
from kakusan.checkpoints.single_file.writing import (
    FORMS,
    Written,
    as_is,
    reshaped,
    write_single_file,
    written,
)
from kakusan.checkpoints.source import PathLike, locate
from kakusan.checkpoints.weights import find_weights, read_weights, save_weights
from kakusan.errors import CheckpointError, OutputError, RequestError, listed, shown_path
from kakusan.models import Model
from kakusan.models.model import CONFIG_FILE, PUBLISHED_VERSION
from kakusan.pipeline.container import WeightsOptions, is_refiner
from kakusan.pipeline.index import DEFAULTS, INDEX, Folder, write_index
from kakusan.pipeline.parts import LAYOUTS, PARTS, STABLE_DIFFUSION_XL_REFINER
from kakusan.pipeline.single_file import SingleFile
from kakusan.quantized.formats import BLOCKS, Format
from kakusan.quantized.tensor import plain_tensor
from kakusan.text.clip_vocabulary import PAD_END, PAD_ZERO, clip_vocabulary
from kakusan.text.vocabulary import Vocabulary

GGUF = ".gguf"
IN_BLOCKS = frozenset(each.name.lower() for each in BLOCKS)
# What the published layout has no place for, beside the index of a converted folder
ASIDE = "kakusan-aside.safetensors"
WEIGHTS = ("unet", "vae", "text_encoder", "text_encoder_2")
SCHEDULER_FILE = "scheduler_config.json"
_TOKENIZERS = ("tokenizer", "tokenizer_2")
_FILE = "kakusan.file"  # the key of the metadata of what is kept aside
_FORMS, _METADATA, _RENAMED = "forms", "metadata", "renamed"
_ARCHITECTURES = {
    "v1": "stable-diffusion-v1",
    "sdxl": "stable-diffusion-xl-v1-base",
    "sdxl-refiner": "stable-diffusion-xl-v1-refiner",
}


@dataclass
class Converted:
    """What was written.

    Attributes:
        dropped: what the new form has not, in words.
        changed: what is no longer as it was, in words.
        alone: the part that the target holds, where it is no whole model but one part.
        absent: the parts that a whole model has besides those of the target.
    """

    path: Path
    dropped: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    alone: str | None = None
    absent: list[str] = field(default_factory=list[str])


def convert(
    source: PathLike,
    target: Path,
    *,
    dtype: torch.dtype | None = None,
    variant: str | None = None,
    progress: OnBytes | None = None,
    overwrite: bool = False,
    prediction_type: str | None = None,
    quantize: str | None = None,
    convolutions: bool = True,
) -> Converted:
    """Write a folder as a single file, a single file as a folder, or either as a GGUF file.

    Args:
        source: A folder, a Hub model, or a single file.
        target: A `.safetensors` file for a folder, a folder for a file, a `.gguf` file for either.
        dtype: Of the weights; None as they are.
        variant: Such as "fp16", of the folder's weights.
        progress: Called with the bytes that are written and those of all.
        overwrite: Whether a file or folder that is there may be replaced.
        prediction_type: Of a single file, in place of what it tells.
        quantize: The format of blocks, such as "q8_0", that matrices become in a `.gguf` file.
        convolutions: Whether 3x3 convolutions do, too: noted as ComfyUI-GGUF notes them, which
            stable-diffusion.cpp does not read.

    Raises:
        InputError: The source is no model, or the target cannot be written.
    """
    found = locate(source, variant=variant, files=True)
    to_gguf = target.suffix == GGUF
    to_file = to_gguf or target.suffix == ".safetensors"
    if quantize is not None and not to_gguf:
        raise RequestError(f"only a .gguf file is quantised, not {shown_path(target)}")
    kind = None if quantize is None else parse_format(quantize)
    if found.file is None and not to_file:
        raise RequestError(
            f"the target must be a .safetensors or .gguf file, not {shown_path(target)}"
        )
    if found.file is not None and to_file and not to_gguf:
        raise RequestError(
            f"{found.name} is a single file already; the target must be a folder or a .gguf file, "
            f"not {shown_path(target)}"
        )
    there = target.exists() and (to_file or not target.is_dir() or any(target.iterdir()))
    if there and not overwrite:
        raise OutputError(f"{shown_path(target)} is there already; say --overwrite to replace it")
    if found.file is not None:
        checkpoint = checkpoint_of(found.file, {"prediction_type": prediction_type})
        if not to_gguf:
            return _to_folder(checkpoint, target, dtype)
        done, out, metadata = _file_as_it_is(checkpoint, target, dtype)
        _write_gguf(target, out, metadata, kind, convolutions, progress)
        return done
    if prediction_type is not None:
        raise RequestError("prediction_type is said by a folder's scheduler; leave it out")
    done, out, metadata = _folder_as_file(Folder(found.folder), target, dtype, variant)
    if to_gguf:
        _write_gguf(target, out, metadata, kind, convolutions, progress)
    else:
        write_single_file(target, out, {"format": "pt", **metadata}, progress)
    return done


def _write_gguf(
    target: Path,
    tensors: Mapping[str, Written],
    metadata: Mapping[str, str],
    kind: Format | None,
    convolutions: bool,
    progress: OnBytes | None,
) -> None:
    formats = formats_of(tensors, kind)
    fields = {key: text_field(value) for key, value in metadata.items() if key != ARCHITECTURE}
    if convolutions and kind is not None:
        tensors, formats, notes = with_convolutions(tensors, formats, kind)
        fields |= notes
    write_gguf(target, tensors, formats, fields, progress)


def _file_as_it_is(
    checkpoint: Checkpoint, target: Path, dtype: torch.dtype | None
) -> tuple[Converted, dict[str, Written], Mapping[str, str]]:
    """What is written of a single file: its own tensors, but for a training's."""
    done, file = Converted(target), checkpoint.file
    dropped = [name for name in file.entries if is_of_training(name)]
    if dropped:
        done.dropped.append(f"{len(dropped)} tensors of the training ({listed(dropped[:1])}, ...)")
    wanted = [name for name in file.entries if not is_scale(name) and name not in dropped]
    eight = any(entry.dtype in FLOAT8 for entry in file.entries.values())
    out: dict[str, Written] = {}
    for name, tensor in file.tensors(wanted, torch.float16 if eight else None):
        out[name] = as_is(tensor, dtype, name)
    return done, out, {key: value for key, value in file.metadata.items() if key != "format"}


def _folder_as_file(
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
    forms = {**FORMS[family], **told.get(_FORMS, {})}
    out: dict[str, Written] = {}
    for part in parts:
        prefix, form = forms[part]
        out |= written(part, prefix, form, _without_positions(tensors[part], form, done), dtype)
    out = _as_it_was(out, told.get(_RENAMED, {}))
    out |= {name: as_is(tensor) for name, tensor in aside.items() if name not in out}
    out |= {name: as_is(tensor) for name, tensor in flags_of(folder, out).items()}
    done.dropped += [
        f"{part}: a single file has no place for it"
        for part, kind in folder.named.items()
        if isinstance(kind, str) and part not in {*WEIGHTS, *_TOKENIZERS, "scheduler"}
    ]
    configs = _configs(folder, parts, family)
    metadata = {**_modelspec(family, configs, target), **told.get(_METADATA, {})}
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
    for part in _TOKENIZERS:
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
        told: Any = json.loads(read_header(path).metadata.get(_FILE, "{}"))
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise CheckpointError(f"{shown_path(path)} is not what kakusan keeps of a file; remove it")
    return tensors, cast("dict[str, Any]", told)


def _to_folder(checkpoint: Checkpoint, target: Path, dtype: torch.dtype | None) -> Converted:
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
        _FORMS: forms,
        _METADATA: {k: v for k, v in checkpoint.file.metadata.items() if k != CONFIGS},
        _RENAMED: renamed,
    }
    tensors = {
        name: plain_tensor(t).clone() for name, t in checkpoint.file.tensors(list(rest), None)
    }
    save_file(tensors, path, metadata={_FILE: json.dumps(told)})


def _save_rest(container: SingleFile, parts: Mapping[str, Any], stage: Path) -> None:
    """The parts without weights, and the index."""
    layout = next(each for each in LAYOUTS if each.only_here <= container.named.keys())
    if is_refiner(container):
        layout = STABLE_DIFFUSION_XL_REFINER
    options = WeightsOptions({"default": None})
    found: dict[str, Any] = dict(parts)
    for part in (*_TOKENIZERS, "scheduler"):
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
