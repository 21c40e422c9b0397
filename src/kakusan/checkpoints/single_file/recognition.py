"""What a file is: a model of a family, a part of one, or something else; told without torch."""

from collections.abc import Mapping
from dataclasses import dataclass

from kakusan.checkpoints.single_file.edm import edm_name
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.others import INSTEAD, other_kind
from kakusan.checkpoints.single_file.published import Part, published
from kakusan.checkpoints.single_file.quantised import is_scale
from kakusan.checkpoints.single_file.shapes import axis, context_width
from kakusan.checkpoints.single_file.split import Group, Split, split
from kakusan.errors import CheckpointError, listed

FAMILIES = {
    "v1": "Stable Diffusion 1",
    "v2": "Stable Diffusion 2",
    "sdxl": "SDXL",
    "sdxl-refiner": "SDXL refiner",
}
# Input channels of a UNet -> what it draws from besides noise
VARIANTS = {4: "", 5: "depth", 8: "instruct-pix2pix", 9: "inpainting"}
EDM_VARIANTS = {"": "", "instruct-pix2pix": "-edit"}  # CosXL-edit
TEXT_WIDTHS = {768: "v1", 1024: "v2"}
REFINER_ADDED = 2560
UNCLIP_ADDED = frozenset({1536, 2048})
# Beside a whole model: what makes another one of it
_CHANGING = ("control_model.", "noise_augmentor.", "embedder.", "cond_stage_model.", "conditioner.")
PARTS_OF = {
    "v1": ("unet", "vae", "text_encoder"),
    "v2": ("unet", "vae", "text_encoder"),
    "sdxl": ("unet", "vae", "text_encoder", "text_encoder_2"),
    "sdxl-refiner": ("unet", "vae", "text_encoder_2"),
}
# What supplies a part that a file lacks
NEEDED = {
    "unet": "a file that holds a UNet",
    "vae": 'vae=AutoencoderKL.from_single_file("...")',
    "text_encoder": 'text_encoder=CLIPTextModel.from_pretrained("...")',
    "text_encoder_2": 'text_encoder_2=CLIPTextModelWithProjection.from_pretrained("...")',
}


@dataclass(frozen=True)
class Recognised:
    """What a file holds of a model.

    Attributes:
        family: a key of `FAMILIES`; None where a part alone does not say.
        variant: a value of `VARIANTS`.
        parts: by the names that pipelines have for them.
        edm: what a model on EDM's noise levels is called; None for any other.
    """

    family: str | None
    variant: str
    parts: Mapping[str, Part]
    split: Split
    edm: str | None = None

    @property
    def name(self) -> str:
        """What people call it."""
        if self.family is None:
            return "part of a model"
        if self.edm is not None:
            return f"{self.edm}{EDM_VARIANTS.get(self.variant, f' {self.variant}')}"
        return f"{FAMILIES[self.family]}{' ' if self.variant else ''}{self.variant}"


def recognise(entries: Mapping[str, Entry], where: str) -> Recognised:
    """The parts that a file has and the family that they are of.

    Args:
        where: names the file in messages.

    Raises:
        CheckpointError: It is something else, or mixes what does not belong together.
    """
    weights = {name: entry for name, entry in entries.items() if not is_scale(name)}
    found = split(weights)
    other = kind_of_other(weights, found)
    if other is not None:
        advice = INSTEAD.get(other, "kakusan has Stable Diffusion 1, 2 and XL")
        raise CheckpointError(f"{where} is {other}: {advice}.")
    if not found.groups:
        examples = listed(weights) if weights else "no tensors"
        raise CheckpointError(f"{where} holds no part of a model that kakusan knows ({examples}).")
    try:
        return _recognised(weights, found)
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error}.") from None


def kind_of_other(entries: Mapping[str, Entry], found: Split | None = None) -> str | None:
    """What a file is that is neither a model nor a part, with its article; None for another."""
    return other_kind(_telling(entries, split(entries) if found is None else found))


def _telling(entries: Mapping[str, Entry], found: Split) -> Mapping[str, Entry]:
    """The tensors that may say that a file is something else.

    Beside a whole UNet what nobody knows says nothing, but for what changes the model itself.
    """
    beginnings = ("input_blocks.0.0.weight", "conv_in.weight")
    if not any(first in group.names for group in found.of("unet") for first in beginnings):
        return entries
    aside = {n for n in found.rest | found.neighbours if not n.startswith(_CHANGING)}
    return {name: entry for name, entry in entries.items() if name not in aside}


def _recognised(entries: Mapping[str, Entry], found: Split) -> Recognised:
    slots = {slot: _only(found, slot) for slot in ("unet", "vae", "text", "text_2")}
    prefixes = {group.prefix.partition(".")[0] for group in found.groups}
    if {"cond_stage_model", "conditioner"} <= prefixes:
        raise CheckpointError(
            "it mixes two families: cond_stage_model is of Stable Diffusion 1 and 2, conditioner "
            "of SDXL"
        )
    parts = {slot: published(group, entries) for slot, group in slots.items() if group is not None}
    if "unet" not in parts:
        return _without_unet(parts, found)
    unet = parts["unet"]
    family = _family(unet.shapes, slots["text"], slots["text_2"])
    channels = axis(unet.shapes, "conv_in.weight", 1)
    variant = _variant(channels, unet.shapes)
    named = {_part_name(slot, family): part for slot, part in parts.items()}
    _check_belong(named, family)
    return Recognised(family, variant, named, found, edm_name(entries))


def _only(found: Split, slot: str) -> Group | None:
    groups = found.of(slot)
    if len(groups) > 1:
        where = " and ".join(group.prefix or "names without a prefix" for group in groups)
        raise CheckpointError(f"it mixes two models: it has this part twice, as {where}")
    return groups[0] if groups else None


def _without_unet(parts: Mapping[str, Part], found: Split) -> Recognised:
    named: dict[str, Part] = {}
    for slot, part in parts.items():
        name = "vae" if slot == "vae" else "text_encoder"
        if slot == "text_2" or (slot == "text" and _is_second(part)):
            name = "text_encoder_2"
        if name in named:
            name = "text_encoder_2"
        named[name] = part
    return Recognised(None, "", named, found)


def _is_second(part: Part) -> bool:
    """Whether a text encoder alone is SDXL's second."""
    width = part.shapes.get("embeddings.token_embedding.weight", (0, 0))[-1]
    return width == 1280


def _family(shapes: Mapping[str, tuple[int, ...]], text: Group | None, text_2: Group | None) -> str:
    context = context_width(shapes)
    if "add_embedding.linear_1.weight" in shapes:
        added = axis(shapes, "add_embedding.linear_1.weight", 1)
        if context == 1024 and added in UNCLIP_ADDED:
            raise CheckpointError("it is an unCLIP model, which draws from pictures; not read yet")
        if text_2 is not None and text is not None:
            return "sdxl"
        if text is not None and text.form == "openclip":
            return "sdxl-refiner"
        return "sdxl-refiner" if added == REFINER_ADDED else "sdxl"
    if text_2 is not None:
        raise CheckpointError(
            "it mixes two families: two text encoders, as SDXL has, and a UNet that takes no sizes"
        )
    if context not in TEXT_WIDTHS and text is not None and text.form == "openclip":
        return "v2"
    return family_of(shapes)


def family_of(
    shapes: Mapping[str, tuple[int, ...]], *, first: bool = True, second: bool = False
) -> str:
    """The family of a UNet with published names.

    Args:
        first, second: which text encoders are there.
    """
    if "add_embedding.linear_1.weight" in shapes:
        return "sdxl-refiner" if second and not first else "sdxl"
    context = context_width(shapes)
    if context in TEXT_WIDTHS:
        return TEXT_WIDTHS[context]
    linear = any(len(shape) == 2 for name, shape in shapes.items() if ".proj_in.weight" in name)
    return "v2" if linear else "v1"


def _variant(channels: int, shapes: Mapping[str, tuple[int, ...]]) -> str:
    if channels == axis(shapes, "conv_out.weight", 0):  # whatever the VAE's latents have
        return ""
    if channels == 7:
        raise CheckpointError("it is an upscaler of Stable Diffusion 2; not read yet")
    return VARIANTS.get(channels, f"with {channels} input channels")


def _part_name(slot: str, family: str) -> str:
    names = {"text": "text_encoder", "text_2": "text_encoder_2"}
    if family == "sdxl-refiner":
        names["text"] = "text_encoder_2"
    return names.get(slot, slot)


def _check_belong(parts: Mapping[str, Part], family: str) -> None:
    """Raise CheckpointError where the text encoders do not give what the UNet attends to."""
    context = context_width(parts["unet"].shapes)
    wanted = [part for part in PARTS_OF[family] if part.startswith("text")]
    if not all(part in parts for part in wanted):
        return
    widths = [axis(parts[part].shapes, "embeddings.token_embedding.weight", 1) for part in wanted]
    if sum(widths) != context:
        gives = " + ".join(map(str, widths))
        raise CheckpointError(
            f"it mixes two families: its UNet attends to texts of width {context}, and its text "
            f"encoder gives {gives}"
        )
