"""Which parts a pipeline has, and how its folder names them (model_index.json)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.errors import CheckpointError, RequestError, nearest
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
)
from kakusan.models.model import PUBLISHED_VERSION
from kakusan.schedulers import SCHEDULERS, Scheduler, named_scheduler, scheduler_class
from kakusan.text import CLIPTokenizer

INDEX = "model_index.json"
PIPELINE_CLASS = "StableDiffusionPipeline"
# What a kakusan folder may say of its own good defaults; other libraries pass it by
DEFAULTS = "kakusan.json"


# part -> {class name in published files: our class}; nothing is ever imported by name
CLASSES: dict[str, dict[str, type[Any]]] = {
    "vae": {"AutoencoderKL": AutoencoderKL},
    "text_encoder": {"CLIPTextModel": CLIPTextModel},
    "tokenizer": {"CLIPTokenizer": CLIPTokenizer, "CLIPTokenizerFast": CLIPTokenizer},
    "unet": {"UNet2DConditionModel": UNet2DConditionModel},
    "scheduler": SCHEDULERS,
    "safety_checker": {"StableDiffusionSafetyChecker": StableDiffusionSafetyChecker},
    "feature_extractor": {
        "CLIPImageProcessor": CLIPImageProcessor,
        "CLIPFeatureExtractor": CLIPImageProcessor,
        "CLIPImageProcessorFast": CLIPImageProcessor,
        "CLIPImageProcessorPil": CLIPImageProcessor,
    },
}
OPTIONAL = frozenset({"safety_checker", "feature_extractor"})
# The parts that a picture is drawn by, beside the scheduler, which its record holds whole
DRAWN_BY = ("vae", "text_encoder", "tokenizer", "unet")
WITH_WEIGHTS = frozenset({"vae", "text_encoder", "unet", "safety_checker"})
# (library, class) as the reference's loader expects them in model_index.json
_PUBLISHED = {
    "vae": ("diffusers", "AutoencoderKL"),
    "text_encoder": ("transformers", "CLIPTextModel"),
    "tokenizer": ("transformers", "CLIPTokenizer"),
    "unet": ("diffusers", "UNet2DConditionModel"),
    "safety_checker": ("stable_diffusion", "StableDiffusionSafetyChecker"),
    "feature_extractor": ("transformers", "CLIPImageProcessor"),
}


def read_index(folder: Path) -> dict[str, type[Any] | None]:
    """The class of each part that `folder` holds; None for an optional one that it lacks.

    Raises:
        CheckpointError: No or a broken index, another pipeline's, a class that kakusan lacks.
    """
    path = folder / INDEX
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {INDEX}, so it is not a Stable Diffusion folder; "
            "give the folder that holds unet, vae, text_encoder, tokenizer and scheduler"
        )
    index = read_json(path)
    pipeline_class = index.get("_class_name")
    if pipeline_class != PIPELINE_CLASS:
        raise CheckpointError(
            f"{path}: _class_name is {pipeline_class!r}; kakusan reads {PIPELINE_CLASS!r}"
        )
    return {part: _class_of(path, part, index.get(part)) for part in CLASSES}


def _class_of(path: Path, part: str, entry: object) -> type[Any] | None:
    name = entry[1] if isinstance(entry, list) and len(entry) == 2 else None  # pyright: ignore
    if name is None and part in OPTIONAL:
        return None
    if not isinstance(name, str):
        raise CheckpointError(f'{path}: no class for the part {part!r}; expected ["library", name]')
    if name not in CLASSES[part]:
        raise CheckpointError(
            f"{path}: {part} is of class {name!r}, which kakusan does not have."
            f"{nearest(name, CLASSES[part])}"
        )
    return CLASSES[part][name]


def write_index(folder: Path, parts: Mapping[str, object | None]) -> None:
    """Write model_index.json for `parts`, in the form that the reference library loads."""
    index: dict[str, Any] = {"_class_name": PIPELINE_CLASS, "_diffusers_version": PUBLISHED_VERSION}
    for part, value in parts.items():
        published = _PUBLISHED.get(part, ("diffusers", type(value).__name__))
        index[part] = list(published) if value is not None else [None, None]
    index["requires_safety_checker"] = parts.get("safety_checker") is not None
    write_json(folder / INDEX, index)


def load_parts(
    folder: Path, given: Mapping[str, Any], weights: Mapping[str, Any]
) -> dict[str, Any]:
    """Every part of a pipeline: those of `given` as they are, the others from `folder`.

    Args:
        weights: Keywords for the parts that have weights: dtype, variant, form of file.

    Raises:
        CheckpointError: A file is missing, broken, or not what it claims to be.
    """
    parts = dict(given)
    if "safety_checker" in parts and parts["safety_checker"] is None:
        parts.setdefault("feature_extractor", None)
    classes = read_index(folder)
    for part in set(classes) - set(parts):
        if classes[part] is not None and not (folder / part).is_dir():
            raise CheckpointError(f"{folder} has no folder {part}, though {INDEX} names this part")
    # Small parts first, so that a broken one is found before gigabytes are read
    for part in sorted(set(classes) - set(parts), key=lambda part: part in WITH_WEIGHTS):
        part_class = classes[part]
        options = weights if part in WITH_WEIGHTS else {}
        parts[part] = part_class and part_class.from_pretrained(folder / part, **options)
    check_complete(parts)
    _check_vocabulary(folder, parts["tokenizer"], parts["text_encoder"])
    return parts


def _check_vocabulary(folder: Path, tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel) -> None:
    config = text_encoder.config
    highest = max(tokenizer.get_vocab().values())
    if highest >= config.vocab_size:
        raise CheckpointError(
            f"{folder}: the tokenizer has a token of id {highest}, but the text encoder embeds "
            f"only {config.vocab_size} tokens; they do not belong together"
        )
    if not 3 <= tokenizer.model_max_length <= config.max_position_embeddings:
        raise CheckpointError(
            f"{folder}: the tokenizer's model_max_length is {tokenizer.model_max_length}; the text "
            f"encoder reads 3 to {config.max_position_embeddings} tokens"
        )


def check_complete(parts: Mapping[str, object | None]) -> None:
    """Raise RequestError where a part is missing, or is not what it stands for."""
    for part, value in parts.items():
        if value is None and part in OPTIONAL:
            continue
        if not isinstance(value, tuple(CLASSES[part].values())):
            names = ", ".join(sorted({kind.__name__ for kind in CLASSES[part].values()}))
            raise RequestError(f"{part} must be of {names}, not {value!r:.60}")
    if parts["safety_checker"] is not None and parts["feature_extractor"] is None:
        raise RequestError("safety_checker needs feature_extractor; give both or neither")


def read_defaults(folder: Path) -> dict[str, JSON]:
    """What a model's folder says is good for it; empty where it does not say."""
    path = folder / DEFAULTS
    return dict(read_json(path)) if path.is_file() else {}


def save_parts(
    folder: Path, parts: Mapping[str, Any], defaults: Mapping[str, JSON], variant: str | None
) -> None:
    """Write every part, the model's own defaults, and last the index that makes it a pipeline.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    for part, value in parts.items():
        if value is not None:
            options = {"variant": variant} if part in WITH_WEIGHTS else {}
            value.save_pretrained(folder / part, **options)
    if defaults:
        write_json(folder / DEFAULTS, dict(defaults))
    write_index(folder, parts)


def requested_scheduler(asked: str | Mapping[str, Any] | None, base: Scheduler) -> Scheduler:
    """The scheduler that a request asks for.

    Args:
        asked: a name, for the model that `base` belongs to; a published config; None for `base`.

    Raises:
        InputError: There is none of that name, or it has no such settings.
    """
    if asked is None:
        return base
    if isinstance(asked, str):
        return named_scheduler(asked, base)
    return scheduler_class(str(asked["_class_name"])).from_config(asked)


def corrected(scheduler: Scheduler) -> Scheduler:
    """Published v1 configs of the first days lack two settings that every release was made with."""
    wanted = {"steps_offset": 1, "clip_sample": False}
    config = dict(scheduler.config)
    changes = {key: value for key, value in wanted.items() if config.get(key, value) != value}
    return scheduler.from_config(scheduler.config, **changes)
