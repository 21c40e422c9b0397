"""A single file as the parts of a model: their published configs and tensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.edm import edm_model
from kakusan.checkpoints.single_file.entries import FLOAT8, TensorFile
from kakusan.checkpoints.single_file.families import FAMILY, sample_size, scheduler_config
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.single_file.prediction import Prediction, prediction_of
from kakusan.checkpoints.single_file.published import Held, Part
from kakusan.checkpoints.single_file.recognition import Recognised, recognise
from kakusan.checkpoints.single_file.settings import Settings
from kakusan.checkpoints.single_file.shapes import axis, count, text_config, unet_config, vae_config
from kakusan.errors import CheckpointError, shown_path

if TYPE_CHECKING:
    import torch
    from torch import Tensor

CONFIGS = "kakusan.configs"  # the key of the metadata under which `convert` keeps them
SECOND = "text_encoder_2"
_CONFIG_HINT = (
    "give config=, a folder with the model's published configs; on the command line, a folder of "
    "weights and configs in place of this file"
)
_PENULTIMATE = {1024: 23}  # layers of OpenCLIP's encoders that version 2 uses
_OPENCLIP_ONLY = ("text_projection", "logit_scale")


class Checkpoint:
    """A single file, opened and recognised; weights are read when a part is asked for.

    Raises:
        CheckpointError: It is no model and no part of one, or is broken.
    """

    def __init__(self, path: Path, settings: Settings | None = None) -> None:
        self.path = path
        self.settings = settings or Settings()
        self.file: TensorFile = open_tensor_file(path)
        self.found: Recognised = self._recognised()
        self._kept = _kept_configs(self.file)

    def __str__(self) -> str:
        return shown_path(self.path)

    def _recognised(self) -> Recognised:
        return recognise(self.file.entries, str(self))

    @property
    def family(self) -> str | None:
        """See `Recognised.family`."""
        return self.found.family

    def part(self, name: str) -> Part:
        """One part.

        Raises:
            CheckpointError: The file lacks it; the message says what it has.
        """
        if name not in self.found.parts:
            has = ", ".join(sorted(self.found.parts))
            raise CheckpointError(f"{self} has no {name}; it holds: {has}.")
        return self.found.parts[name]

    def prediction(self) -> Prediction:
        """What its UNet predicts."""
        return prediction_of(self.file, self.found, self.settings.prediction_type)

    def config(self, name: str) -> dict[str, JSON]:
        """The published config of a part.

        Raises:
            CheckpointError: Shapes do not tell it, or contradict what is said of the file.
        """
        part = self.part(name)
        for said in (self.settings.configs, self._kept):
            if name in said:
                return dict(said[name])
        try:
            return self._told(name, part)
        except CheckpointError as error:
            raise CheckpointError(f"{self}: {name}: {error}; {_CONFIG_HINT}.") from None

    def _told(self, name: str, part: Part) -> dict[str, JSON]:
        """The published config of a part, as its shapes tell it."""
        match name:
            case "unet":
                return self._unet(part)
            case "vae":
                return self._vae(part)
            case _:
                return self._text(name, part)

    def tells(self, name: str) -> bool:
        """Whether the config of a part is told from its tensors, not said by anyone."""
        return name not in self.settings.configs and name not in self._kept

    def scheduler(self) -> dict[str, JSON]:
        """The published config of the scheduler that goes with the model."""
        for said in (self.settings.configs, self._kept):
            if "scheduler" in said:
                kind = self.settings.prediction_type
                return dict(said["scheduler"]) | ({} if kind is None else {"prediction_type": kind})
        unet = self.found.parts.get("unet")
        guided = unet is not None and "time_embedding.cond_proj.weight" in unet.tensors
        config = scheduler_config(self.family or "v1", self.prediction(), guided=guided)
        if self.settings.betas is not None:
            config["beta_start"], config["beta_end"] = self.settings.betas
        return config

    def kept(self, name: str) -> Mapping[str, JSON] | None:
        """What the file itself says of a part without weights, such as its own vocabulary."""
        return self._kept.get(name)

    def shapes(self, name: str) -> dict[str, tuple[int, ...]]:
        """Of those tensors of a part that are used, under their published names."""
        part = self.part(name)
        layers = self._layers(name, part)
        shapes = part.shapes.items()
        return {each: s for each, s in shapes if layers is None or not _beyond(each, layers)}

    def tensors(self, name: str, dtype: "torch.dtype | None") -> "dict[str, Tensor]":
        """A part's tensors under their published names, floating point ones in `dtype`.

        Where the file has that dtype they stay mapped to it: fused ones are taken apart by views.
        """
        held_by_name = self.part(name).tensors
        by_name: dict[str, list[tuple[str, Held]]] = {}
        for published in self.shapes(name):
            held = held_by_name[published]
            by_name.setdefault(held.name, []).append((published, held))
        found: dict[str, Tensor] = {}
        for stored, tensor in self.file.tensors(list(by_name), self._readable(dtype)):
            for published, held in by_name[stored]:
                found[published] = _taken(tensor, held)
        return found

    def _readable(self, dtype: "torch.dtype | None") -> "torch.dtype | None":
        """What eight bits become where nothing is asked for: nothing computes with them."""
        if dtype is None and any(entry.dtype in FLOAT8 for entry in self.file.entries.values()):
            import torch

            return torch.float16
        return dtype

    def _unet(self, part: Part) -> dict[str, JSON]:
        family, variant = self.family or "v1", self.found.variant
        config = unet_config(
            part.shapes,
            fixed_heads=family == "v1",
            pooled=self._pooled(),
            heads=self.settings.heads,
            head_channels=self.settings.head_channels,
        )
        asked = self.settings.num_in_channels
        if asked is not None and asked != config["in_channels"]:
            raise CheckpointError(
                f"num_in_channels is {asked}, but it takes {config['in_channels']} channels"
            )
        size = sample_size(family, self.prediction().kind, variant)
        image = self.settings.image_size
        return config | {"sample_size": size if image is None else image // 8}

    def _pooled(self) -> int | None:
        second = self.found.parts.get(SECOND)
        projection = None if second is None else second.shapes.get("text_projection.weight")
        return projection[0] if projection else None

    def _vae(self, part: Part) -> dict[str, JSON]:
        known = FAMILY[self.family or _vae_family(self)]
        factor = self.settings.scaling_factor
        image = self.settings.image_size
        edm = edm_model(self.file)
        config: dict[str, JSON] = {
            "force_upcast": known.force_upcast,
            "sample_size": known.sample_size * 8 if image is None else image,
            "scaling_factor": known.scaling_factor,
            **({} if edm is None else edm.vae),
        }
        if factor is not None:
            config["scaling_factor"] = factor
        return vae_config(part.shapes) | config

    def _text(self, name: str, part: Part) -> dict[str, JSON]:
        width = axis(part.shapes, "embeddings.token_embedding.weight", 1)
        of_openai = part.group.form == "hf" and name != SECOND and width != 1024
        of_openai = of_openai and self.family != "v2"
        act = "quick_gelu" if of_openai else "gelu"
        return text_config(part.shapes, act=act, layers=self._layers(name, part))

    def _layers(self, name: str, part: Part) -> int | None:
        """How many of a text encoder's layers are used; None for all.

        Version 2 was trained on what the last layer but one gives. A file that holds OpenCLIP's
        whole encoder has one more; some leave the last one out, or copy the last but one there.
        """
        if part.group.form != "openclip" or name != "text_encoder":
            return None
        held = count(part.tensors, r"encoder\.layers\.(\d+)\.")
        width = part.shapes.get("embeddings.token_embedding.weight", (0, 0))[-1]
        if width in _PENULTIMATE:
            return min(held, _PENULTIMATE[width])
        prefix = part.group.prefix
        whole = any(f"{prefix}{each}" in self.file.entries for each in _OPENCLIP_ONLY)
        return held - 1 if whole and held > 1 else held


def _beyond(name: str, layers: int) -> bool:
    head = "encoder.layers."
    return name.startswith(head) and int(name.removeprefix(head).partition(".")[0]) >= layers


def _taken(tensor: "Tensor", held: Held) -> "Tensor":
    if held.third is not None:
        rows = tensor.shape[0] // 3
        return tensor[held.third * rows : (held.third + 1) * rows]
    return tensor.t().contiguous() if held.transposed else tensor


def _vae_family(checkpoint: Checkpoint) -> str:
    """A VAE alone has the same shapes in every family; its metadata or its name may tell."""
    architecture = checkpoint.file.metadata.get("modelspec.architecture", "")
    named = f"{architecture} {checkpoint.path.stem}".casefold()
    return "sdxl" if "xl" in named else "v1"


def _kept_configs(file: TensorFile) -> Mapping[str, Mapping[str, JSON]]:
    """Configs that `convert` wrote into the file's metadata."""
    text = file.metadata.get(CONFIGS)
    if text is None:
        return {}
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise CheckpointError(f"{shown_path(file.path)}: its metadata {CONFIGS} is no JSON object.")
    parts = cast("dict[str, JSON]", value)
    return {part: each for part, each in parts.items() if isinstance(each, dict)}
