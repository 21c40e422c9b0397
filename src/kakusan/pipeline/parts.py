"""Which parts a pipeline has, and how its folder names them (model_index.json)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.errors import CheckpointError, RequestError, kind_of, nearest, shown
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    Model,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
    within,
)
from kakusan.models.model import PUBLISHED_VERSION
from kakusan.request import MAX_GUIDANCE, MAX_STEPS
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
# What an index may name beside them and drawing from a text goes without
PASSED_BY = frozenset({"image_encoder"})
# By the parts that only it has: a family that is not read yet
_NOT_YET = {"text_encoder_2": "SDXL", "tokenizer_2": "SDXL"}
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


@dataclass(frozen=True)
class WeightsOptions:
    """Which weights of a folder are taken, and what they are stored in.

    Attributes:
        dtypes: by part, "default" for the others; None is what the file has.
    """

    dtypes: Mapping[str, torch.dtype | None]
    variant: str | None = None
    use_safetensors: bool | None = None

    def dtype_of(self, part: str) -> torch.dtype | None:
        """What the weights of a part are to be stored in."""
        return self.dtypes[part] if part in self.dtypes else self.dtypes["default"]


def named_parts(folder: Path) -> dict[str, object]:
    """What the index of `folder` names: a class's name for each part, None for one it lacks.

    Raises:
        CheckpointError: No or a broken index.
    """
    return {
        part: entry[1] if len(entry) == 2 else None
        for part, entry in _index(folder).items()
        if isinstance(entry, list) and not part.startswith("_")
    }


def _index(folder: Path) -> dict[str, JSON]:
    path = folder / INDEX
    if not path.is_file():
        raise CheckpointError(
            f"{folder} has no {INDEX}, so it is not a Stable Diffusion folder; "
            "give the folder that holds unet, vae, text_encoder, tokenizer and scheduler"
        )
    return read_json(path)


def read_index(folder: Path, given: Collection[str] = ()) -> dict[str, type[Any] | None]:
    """The class of each part that `folder` holds; None for an optional one that it lacks.

    Which pipeline the folder was made by does not count: its parts do.

    Args:
        given: parts that are not taken from the folder; nothing about them is looked at.

    Raises:
        CheckpointError: No or a broken index, parts or classes that kakusan lacks.
    """
    named = named_parts(folder)
    made_by = _index(folder).get("_class_name")
    where = str(folder / INDEX)
    if made_by != PIPELINE_CLASS:
        where += f" (of class {shown(made_by)})"
    known = {*CLASSES, *PASSED_BY, *given}
    for part, name in named.items():
        if name is not None and part not in known:
            what = f"{_NOT_YET[part]} models" if part in _NOT_YET else "models with such a part"
            raise CheckpointError(
                f"{where} names the part {shown(part)}, {shown(name)}: {what} are not read yet"
            )
    wanted = [part for part in CLASSES if part not in given]
    return {part: _class_of(where, part, named.get(part)) for part in wanted}


def _class_of(where: str, part: str, name: object) -> type[Any] | None:
    if name is None and part in OPTIONAL:
        return None
    if not isinstance(name, str):
        raise CheckpointError(
            f"{where} names no class for the part {part}; give {part}= a ready one, or None to go "
            "without"
        )
    if name not in CLASSES[part]:
        raise CheckpointError(
            f"{where}: {part} is of class {shown(name)}, which kakusan does not have; "
            f"give {part}= a ready one."
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


def load_parts(folder: Path, given: Mapping[str, Any], options: WeightsOptions) -> dict[str, Any]:
    """Every part of a pipeline: those of `given` as they are, the others from `folder`.

    Raises:
        CheckpointError: A file is missing, broken, or not what it claims to be.
        RequestError: A part that is given is not one, or they do not belong together.
    """
    parts = {part: value for part, value in given.items() if part in CLASSES}
    classes = read_index(folder, given)
    for part in classes:
        if classes[part] is not None and not (folder / part).is_dir():
            raise CheckpointError(f"{folder} has no folder {part}, though {INDEX} names this part")
    # Small parts first, so that a broken one is found before gigabytes are read
    for part in sorted(classes, key=lambda part: part in WITH_WEIGHTS):
        part_class = classes[part]
        if part_class is None:
            parts[part] = None
        elif issubclass(part_class, Model):
            parts[part] = part_class.from_folder(
                folder / part,
                options.dtype_of(part),
                variant=options.variant,
                use_safetensors=options.use_safetensors,
            )
        else:
            parts[part] = part_class.from_pretrained(folder / part)
    check_complete(parts)
    if parts["tokenizer"] is not None and parts["text_encoder"] is not None:
        _check_vocabulary(folder, parts["tokenizer"], within(parts["text_encoder"]))
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
    """Raise RequestError where a part is not what it stands for, or does not fit another.

    A part may be None: what needs it says so.
    """
    for part, value in parts.items():
        if value is None or isinstance(within(value), tuple(CLASSES[part].values())):
            continue
        names = ", ".join(sorted({kind.__name__ for kind in CLASSES[part].values()}))
        raise RequestError(f"{part} must be a kakusan {names}, not {kind_of(within(value))}")
    if parts["safety_checker"] is not None and parts["feature_extractor"] is None:
        raise RequestError("safety_checker needs feature_extractor; give both or neither")
    unet, vae = within(parts["unet"]), within(parts["vae"])
    if isinstance(unet, UNet2DConditionModel) and isinstance(vae, AutoencoderKL):
        takes, gives = unet.config.in_channels, vae.config.latent_channels
        if takes != gives:
            raise RequestError(
                f"the unet takes {takes} channels and the vae gives {gives}: models that repaint "
                "(9), edit (8) or see depth (5) are not drawn with yet"
            )


def read_defaults(folder: Path) -> dict[str, JSON]:
    """What a model's folder says is good for it; empty where it does not say.

    Raises:
        CheckpointError: The file is broken, or a value is out of its range.
    """
    path = folder / DEFAULTS
    if not path.is_file():
        return {}
    fields = Fields(read_json(path), str(path))
    found: dict[str, JSON] = {}
    if fields.has("num_inference_steps"):
        found["num_inference_steps"] = fields.integer("num_inference_steps", maximum=MAX_STEPS)
    if fields.has("guidance_scale"):
        found["guidance_scale"] = fields.number("guidance_scale", minimum=0, maximum=MAX_GUIDANCE)
    return found


def save_parts(
    folder: Path,
    parts: Mapping[str, Any],
    defaults: Mapping[str, JSON],
    weights: Mapping[str, Any],
) -> None:
    """Write every part, the model's own defaults, and last the index that makes it a pipeline.

    Args:
        weights: what the parts with weights are saved with: variant, form and size of files.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    for part, value in parts.items():
        if value is not None:
            value.save_pretrained(folder / part, **(weights if part in WITH_WEIGHTS else {}))
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
