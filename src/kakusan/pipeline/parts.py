"""Which parts a pipeline has, and how its folder names them (model_index.json)."""

from pathlib import Path
from typing import Any, Protocol, Self

from kakusan.checkpoints.files import read_json, write_json
from kakusan.errors import CheckpointError, nearest
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
)
from kakusan.schedulers import SCHEDULERS
from kakusan.text import CLIPTokenizer

INDEX = "model_index.json"
PIPELINE_CLASS = "StableDiffusionPipeline"
# What a kakusan folder may say of its own good defaults; other libraries pass it by
DEFAULTS = "kakusan.json"


class Part(Protocol):
    """What every part can do, whatever it computes."""

    @classmethod
    def from_pretrained(cls, name: str | Path, **options: Any) -> Self: ...

    def save_pretrained(self, folder: str | Path) -> None: ...


# part -> {class name in published files: our class}; nothing is ever imported by name
CLASSES: dict[str, dict[str, type[Any]]] = {
    "vae": {"AutoencoderKL": AutoencoderKL},
    "text_encoder": {"CLIPTextModel": CLIPTextModel},
    "tokenizer": {"CLIPTokenizer": CLIPTokenizer, "CLIPTokenizerFast": CLIPTokenizer},
    "unet": {"UNet2DConditionModel": UNet2DConditionModel},
    "scheduler": dict(SCHEDULERS),
    "safety_checker": {"StableDiffusionSafetyChecker": StableDiffusionSafetyChecker},
    "feature_extractor": {
        "CLIPImageProcessor": CLIPImageProcessor,
        "CLIPFeatureExtractor": CLIPImageProcessor,
        "CLIPImageProcessorFast": CLIPImageProcessor,
        "CLIPImageProcessorPil": CLIPImageProcessor,
    },
}
OPTIONAL = frozenset({"safety_checker", "feature_extractor"})
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


def write_index(folder: Path, parts: dict[str, object | None]) -> None:
    """Write model_index.json for `parts`, in the form that the reference library loads."""
    index: dict[str, Any] = {"_class_name": PIPELINE_CLASS, "_diffusers_version": "0.30.0"}
    for part, value in parts.items():
        published = _PUBLISHED.get(part, ("diffusers", type(value).__name__))
        index[part] = list(published) if value is not None else [None, None]
    index["requires_safety_checker"] = parts.get("safety_checker") is not None
    write_json(folder / INDEX, index)
