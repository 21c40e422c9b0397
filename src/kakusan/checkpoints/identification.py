"""What anything is that people may name as a model: a whole one, a part of one, or another file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kakusan.checkpoints.facts import (
    CARD,
    INDEX,
    Facts,
    card_of,
    config_of,
    facts_of_file,
    facts_of_folder,
    facts_of_other,
    family_of_unet,
    weights_of,
)
from kakusan.checkpoints.files import JSON, file_names
from kakusan.checkpoints.selection import is_weights
from kakusan.errors import CheckpointError, listed, shown_path

CONFIG = "config.json"
EMBEDDING = "embedding (textual inversion)"
# A class in a part's config -> the name of the part, and what it is
PARTS = {
    "UNet2DConditionModel": ("unet", ""),
    "AutoencoderKL": ("vae", "VAE"),
    "AutoencoderTiny": ("vae", "TAESD"),
    "CLIPTextModel": ("text_encoder", "text encoder"),
    "CLIPTextModelWithProjection": ("text_encoder_2", "text encoder"),
    "StableDiffusionSafetyChecker": ("safety_checker", "safety checker"),
    "ControlNetModel": ("controlnet", "ControlNet"),
}
# What parts without weights have in place of a config
OTHER_CONFIGS = {
    "scheduler_config.json": "scheduler",
    "tokenizer_config.json": "tokenizer",
    "preprocessor_config.json": "feature extractor",
}


def facts_of(path: Path) -> Facts:
    """What a folder or a file is.

    Raises:
        CheckpointError: It is nothing of a model that kakusan knows, or is broken.
    """
    if not path.is_dir():
        return _of_file(path)
    if (path / INDEX).is_file():
        return facts_of_folder(path)
    part = facts_of_part(path)
    return _of_other_folder(path) if part is None else part


def _of_file(path: Path) -> Facts:
    try:
        return facts_of_file(path)
    except CheckpointError:
        other = facts_of_other(path)
        if other is None:
            raise
        return _of_embedding(path, other) if other.family == EMBEDDING else other


def _of_embedding(path: Path, facts: Facts) -> Facts:
    """What the file of a learnt word says: whose it is, what it is called, how it was taught."""
    from kakusan.checkpoints.embeddings import OTHER, read_embedding

    found = read_embedding(path)
    said = {
        "word": found.token,
        "vectors": str(found.count),
        "width": " and ".join(map(str, found.widths)),
        "step": None if found.step is None else str(found.step),
        "trained on": found.checkpoint,
    }
    known = {name: value for name, value in said.items() if value is not None}
    family = EMBEDDING if found.family == OTHER else f"{found.family} {EMBEDDING}"
    return replace(facts, family=family, said={**facts.said, **known})


def facts_of_part(folder: Path) -> Facts | None:
    """What a folder with one part of a model is; None for any other folder."""
    config = config_of(folder / CONFIG)
    kind = _class_of(config)
    if kind is None:
        other = next((name for name in OTHER_CONFIGS if (folder / name).is_file()), None)
        if other is None:
            return None
        part, kind = OTHER_CONFIGS[other], _class_of(config_of(folder / other))
        return Facts(part, classes={} if kind is None else {part: kind})
    part, family = PARTS.get(kind, (kind, kind))
    weights = weights_of(folder)
    return Facts(
        family or family_of_unet(config),
        classes={part: kind},
        weights={} if weights is None else {part: weights},
        said=card_of(folder / CARD),
    )


def is_part(folder: Path) -> bool:
    """Whether a folder holds one part of a model, with its weights."""
    found = facts_of_part(folder)
    return found is not None and bool(found.weights) and set(found.classes.values()) <= set(PARTS)


def _class_of(config: Mapping[str, JSON]) -> str | None:
    """The class that a config names, as diffusers or as transformers writes it."""
    named = config.get("_class_name")
    several = config.get("architectures")
    if named is None and isinstance(several, list) and several:
        named = several[0]
    if named is None:
        named = config.get("tokenizer_class") or config.get("image_processor_type")
    return named if isinstance(named, str) and named.isidentifier() and len(named) < 80 else None


def _of_other_folder(folder: Path) -> Facts:
    """What a folder's only file of weights is, such as a LoRA's."""
    weights = sorted(filter(is_weights, file_names(folder)))
    if len(weights) == 1:
        return _of_file(folder / weights[0])
    where = shown_path(folder)
    if weights:
        raise CheckpointError(
            f"{where} has no {INDEX}, and several files of weights: name one of {listed(weights)}"
        )
    parts = [path.name for path in folder.glob("*") if facts_of_part(path) is not None]
    if parts:
        raise CheckpointError(
            f"{where} has no {INDEX}, which a whole model has; name one of its parts: "
            f"{listed(parts)}"
        )
    raise CheckpointError(
        f"{where} has nothing of a model: no {INDEX}, no {CONFIG} and no file of weights; name the "
        "folder or the file that has"
    )
