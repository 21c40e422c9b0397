"""A pipeline's folder: its index (model_index.json), its parts, and its own good defaults."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.checkpoints.single_file.entries import one_float
from kakusan.checkpoints.single_file.header import read_header
from kakusan.checkpoints.weights import find_weights
from kakusan.errors import CheckpointError, nearest, shown
from kakusan.models import Model, UNet2DConditionModel, within
from kakusan.models.model import PUBLISHED_VERSION
from kakusan.pipeline.container import Container, Shape, WeightsOptions
from kakusan.pipeline.net_parts import check_is_steered
from kakusan.pipeline.parts import PARTS, SEVERAL, Layout
from kakusan.request import MAX_GUIDANCE, MAX_STEPS
from kakusan.request.syntaxes import EMPHASES
from kakusan.steering import repaints

INDEX = "model_index.json"
ENCODER = "image_encoder"
# What a kakusan folder may say of its own good defaults; other libraries pass it by
DEFAULTS = "kakusan.json"


class Folder(Container):
    """A pipeline's folder, with a folder for each part.

    Raises:
        CheckpointError: No or a broken index.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not (path / INDEX).is_file():
            raise CheckpointError(
                f"{path} has no {INDEX}, so it is not a Stable Diffusion folder; "
                "give the folder that holds unet, vae, text_encoder, tokenizer and scheduler"
            )
        self._index = read_json(path / INDEX)

    def __str__(self) -> str:
        return str(self.path)

    @property
    def class_name(self) -> JSON:
        return self._index.get("_class_name")

    @property
    def named(self) -> dict[str, object]:
        return {
            part: entry[1] if len(entry) == 2 else None
            for part, entry in self._index.items()
            if isinstance(entry, list) and not part.startswith("_")
        }

    def classes(self, layout: Layout, given: Collection[str]) -> dict[str, type[Any] | None]:
        where, named = str(self.path / INDEX), self.named
        if self.class_name != layout.class_name:
            where += f" (of class {shown(self.class_name)})"
        check_is_steered(layout, {**named, **dict.fromkeys(given)})
        found: dict[str, type[Any] | None] = {}
        for part in layout.parts:
            if part not in given:
                optional = part in layout.optional
                found[part] = _class_of(where, part, named.get(part), optional=optional)
        if not (self.path / ENCODER).is_dir():  # nothing but pictures that are handed in needs it
            found |= {ENCODER: None} if ENCODER in found else {}
        for part, kind in found.items():
            if kind is not None and not (self.path / part).is_dir():
                raise CheckpointError(
                    f"{self.path} has no folder {part}, though {INDEX} names this part"
                )
        return found

    def settings(self, layout: Layout) -> dict[str, bool]:
        fields = Fields(self._index, str(self.path / INDEX))
        return {name: fields.boolean(name, default) for name, default in layout.settings.items()}

    def load(self, part: str, kind: type[Any], options: WeightsOptions) -> Any:
        if issubclass(kind, Model):
            return kind.from_folder(
                self.path / part,
                options.dtype_of(part),
                variant=options.variant,
                use_safetensors=options.use_safetensors,
            )
        if part in SEVERAL:
            return kind.from_pretrained(
                self.path / part,
                torch_dtype=options.dtype_of(part) or "auto",
                variant=options.variant,
                use_safetensors=options.use_safetensors,
            )
        return kind.from_pretrained(self.path / part)

    def config(self, part: str) -> dict[str, JSON] | None:
        path = self.path / part / "config.json"
        return read_json(path) if path.is_file() else None

    def shape(self, part: str, kind: type[Model[Any]], options: WeightsOptions) -> Shape:
        folder = self.path / part
        paths = find_weights(
            folder,
            kind.weights_stem,
            variant=options.variant,
            use_safetensors=options.use_safetensors,
        )
        network = kind.shaped_as(folder)
        if any(path.suffix != ".safetensors" for path in paths):
            return Shape(network, None)
        entries = {n: e for path in paths for n, e in read_header(path).entries.items()}
        network.check_entries(entries, str(folder))
        return Shape(network, one_float(entries.values()))

    def defaults(self) -> dict[str, JSON]:
        path = self.path / DEFAULTS
        if not path.is_file():
            return {}
        return checked_defaults(read_json(path), str(path))


def checked_defaults(told: Mapping[str, JSON], where: str) -> dict[str, JSON]:
    """What a model says is good for it, of what `kakusan.json` may say.

    `num_inference_steps`, and `img2img_steps` in their place where a drawing begins at a picture
    and so takes a part of them; `guidance_scale`; `upscale_strength`, how much of tiles is drawn
    anew; `emphasis`, what weights in a prompt do, where its text encoder has no mean to restore.

    Raises:
        CheckpointError: A value is out of its range.
    """
    fields = Fields(told, where)
    found: dict[str, JSON] = {}
    for name in ("num_inference_steps", "img2img_steps"):
        if fields.has(name):
            found[name] = fields.integer(name, maximum=MAX_STEPS)
    if fields.has("guidance_scale"):
        found["guidance_scale"] = fields.number("guidance_scale", minimum=0, maximum=MAX_GUIDANCE)
    if fields.has("upscale_strength"):
        found["upscale_strength"] = fields.number("upscale_strength", minimum=0, maximum=1)
    if fields.has("emphasis"):
        found["emphasis"] = fields.choice("emphasis", None, EMPHASES)
    return found


def _class_of(where: str, part: str, name: object, *, optional: bool) -> type[Any] | None:
    if name is None and optional:
        return None
    if not isinstance(name, str):
        raise CheckpointError(
            f"{where} names no class for the part {part}; give {part}= a ready one, or None to go "
            "without"
        )
    classes = PARTS[part].classes
    if name not in classes:
        raise CheckpointError(
            f"{where}: {part} is of class {shown(name)}, which kakusan does not have; "
            f"give {part}= a ready one.{nearest(name, classes)}"
        )
    return classes[name]


def _draws(layout: Layout, parts: Mapping[str, object | None]) -> str:
    """The class of the reference's that draws with parts."""
    unet = within(parts.get("unet"))
    if isinstance(unet, UNet2DConditionModel) and repaints(
        unet.config.in_channels, unet.config.out_channels
    ):
        return f"StableDiffusion{'XL' if layout.only_here else ''}InpaintPipeline"
    return layout.class_name


def write_index(
    folder: Path,
    layout: Layout,
    parts: Mapping[str, object | None],
    settings: Mapping[str, bool] | None = None,
) -> None:
    """Write model_index.json for `parts`, in the form that the reference library loads."""
    index: dict[str, Any] = {
        "_class_name": _draws(layout, parts),
        "_diffusers_version": PUBLISHED_VERSION,
    }
    for part in layout.parts:
        value = parts.get(part)
        index[part] = [None, None] if value is None else list(PARTS[part].published(value))
    if "safety_checker" in layout.parts:
        index["requires_safety_checker"] = parts.get("safety_checker") is not None
    write_json(folder / INDEX, index | dict(settings or {}))


def save_parts(
    folder: Path,
    layout: Layout,
    parts: Mapping[str, Any],
    *,
    settings: Mapping[str, bool],
    defaults: Mapping[str, JSON],
    weights: Mapping[str, Any],
) -> None:
    """Write every part, the model's own defaults, and last the index that makes it a pipeline.

    Args:
        settings: what the index says besides.
        weights: what the parts with weights are saved with: variant, form and size of files.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
    """
    for part, value in parts.items():
        if value is not None:
            value.save_pretrained(folder / part, **(weights if PARTS[part].has_weights else {}))
    if defaults:
        write_json(folder / DEFAULTS, dict(defaults))
    write_index(folder, layout, parts, settings)
