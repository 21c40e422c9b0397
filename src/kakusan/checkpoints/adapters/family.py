"""Which family of models an adapter was made for, told by its shapes and names; without torch."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kakusan.checkpoints.adapters.names import TEXT, TEXT_2, UNET, Piece, piece_of, place_of
from kakusan.checkpoints.single_file.entries import Entry
from kakusan.checkpoints.single_file.recognition import FAMILIES, TEXT_WIDTHS

_WIDTHS = TEXT_WIDTHS | {2048: "sdxl", 1280: "sdxl-refiner"}
_OF_TEXT = re.compile(r".*attn2_to_[kv]")
_DEEP = re.compile(
    r"(?:down_blocks|mid_block|up_blocks|input_blocks|middle_block|output_blocks)_.*"
    r"_transformer_blocks_[1-9]\d*_.*"
)
# Flat names of layers of other architectures -> what they are of
_OTHERS = (
    (r"(?:double_blocks|single_blocks|single_transformer_blocks)_\d+_.*", "FLUX"),
    (r"(?:transformer_)?single_transformer_blocks_\d+_.*", "FLUX"),
    (r"(?:transformer_)?(?:joint_blocks_\d+|transformer_blocks_\d+_attn_add)_.*", "SD 3 or FLUX"),
    (r"(?:transformer_)?transformer_blocks_\d+_.*", "another architecture (a transformer)"),
    (r"(?:transformer_|diffusion_model_)?blocks_\d+_.*", "another architecture (a transformer)"),
    (r"(?:transformer_)?layers_\d+_.*", "another architecture (a transformer)"),
    (r".*motion_modules_.*", "AnimateDiff"),
    (r"prior_.*", "Stable Cascade"),
)
_COMPILED = [(re.compile(pattern), family) for pattern, family in _OTHERS]
# What trainers call the models that they begin with
_SAID = (
    ("sd_v1", "v1"),
    ("sd_1", "v1"),
    ("sd_v2", "v2"),
    ("sd_2", "v2"),
    ("sdxl", "sdxl"),
)
_ARCHITECTURES = (
    ("stable-diffusion-v1", "v1"),
    ("stable-diffusion-v2", "v2"),
    ("stable-diffusion-xl", "sdxl"),
)


class Made(NamedTuple):
    """What an adapter was made for, or what a model is.

    Attributes:
        family: a key of `FAMILIES`, or what people call another architecture; None if unknown.
        width: of the texts that its UNet attends to; None where nothing says so.
    """

    family: str | None
    width: int | None = None

    @property
    def words(self) -> str:
        """As a message says it."""
        if self.family is not None:
            return FAMILIES.get(self.family, self.family)
        return f"a model of texts {self.width} wide" if self.width else "another kind of model"


def made_for(entries: Mapping[str, Entry]) -> Made:
    """What the layers that an adapter's file changes are of."""
    width, deep, second, text_width = None, False, False, None
    strange: str | None = None
    for name, entry in entries.items():
        piece = piece_of(name)
        if piece is None:
            continue
        part, flat = place_of(piece.stem)
        second = second or part == TEXT_2
        if part in (UNET, None):
            deep = deep or _DEEP.fullmatch(flat) is not None
            strange = strange or _strange(flat)
            if width is None and _OF_TEXT.fullmatch(flat):
                width = _columns(piece, entry.shape)
        if part == TEXT and flat.endswith(("mlp_fc1", "self_attn_q_proj")):
            text_width = text_width or _columns(piece, entry.shape)
    if width in _WIDTHS:
        return Made(_WIDTHS[width], width)
    if deep or second:
        return Made("sdxl", width)
    if text_width == 1024 and width is None:
        return Made("v2")
    return Made(strange if width is None else None, width)


def told(metadata: Mapping[str, str]) -> str | None:
    """The family that a file's own words name; None where they name none."""
    base = metadata.get("ss_base_model_version", "")
    for start, family in _SAID:
        if base.startswith(start):
            return family
    architecture = metadata.get("modelspec.architecture", "")
    for start, family in _ARCHITECTURES:
        if architecture.startswith(start):
            return family
    return "v2" if metadata.get("ss_v2") == "True" else None


def model_of(shapes: Mapping[str, Mapping[str, tuple[int, ...]]]) -> Made | None:
    """What a model is, by the shapes of its parameters; None where it has no UNet."""
    unet = shapes.get(UNET)
    if unet is None:
        return None
    width = _context(unet)
    if "add_embedding.linear_1.weight" in unet:
        refiner = TEXT not in shapes and TEXT_2 in shapes
        return Made("sdxl-refiner" if refiner or width == 1280 else "sdxl", width)
    return Made(TEXT_WIDTHS.get(width or 0), width)


def contradicts(made: Made, model: Made) -> bool:
    """Whether an adapter cannot be for a model."""
    if made.family not in (None, *FAMILIES):
        return True
    if made.width is not None and model.width is not None:
        return made.width != model.width
    large = {"sdxl", "sdxl-refiner"}
    if made.family in large:
        return model.family not in large
    return None not in (made.family, model.family) and made.family != model.family


def _context(unet: Mapping[str, tuple[int, ...]]) -> int | None:
    names: Iterable[str] = (name for name in unet if name.endswith("attn2.to_k.weight"))
    return next((unet[name][1] for name in names), None)


def _columns(piece: Piece, shape: tuple[int, ...]) -> int | None:
    """How many columns a changed matrix has, where this tensor of it says so."""
    whole = piece.slot in ("down", "hada_w1_b", "diff", "set_weight", "b2")
    return shape[1] if whole and len(shape) >= 2 else None


def _strange(flat: str) -> str | None:
    return next((family for pattern, family in _COMPILED if pattern.fullmatch(flat)), None)
