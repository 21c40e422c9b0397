"""How files of adapters name layers and tensors: which layer, and what of it; without torch."""

import re
from typing import NamedTuple

from kakusan.checkpoints.single_file.quantised import is_scale

UNET, TEXT, TEXT_2 = "unet", "text_encoder", "text_encoder_2"
# What comes before a layer's name -> the part that it is of; the first that fits counts
_PREFIXES: tuple[tuple[str, str | None], ...] = (
    ("lora_unet_", UNET),
    ("lycoris_unet_", UNET),
    ("oft_unet_", UNET),
    ("model.diffusion_model.", UNET),
    ("diffusion_model.", UNET),
    ("unet.", UNET),
    ("lora_te1_", TEXT),
    ("lora_te2_", TEXT_2),
    ("lora_te_", TEXT),
    ("lycoris_te1_", TEXT),
    ("lycoris_te2_", TEXT_2),
    ("lycoris_te_", TEXT),
    ("text_encoder_2.", TEXT_2),
    ("text_encoder.", TEXT),
    ("text_encoders.clip_l.", TEXT),
    ("text_encoders.clip_h.", TEXT),
    ("text_encoders.clip_g.", TEXT_2),
    ("cond_stage_model.", TEXT),
    ("conditioner.embedders.0.", TEXT),
    ("conditioner.embedders.1.", TEXT_2),
    ("lycoris_", None),
    ("lora_", None),
    ("", None),
)
_WRAPPED = re.compile(r"(?:base_model[._]model[._])+")
# Between a text encoder's prefix and the names that its own file has
_TEXT_INNER = re.compile(r"(?:model_)?(?:transformer_(?=text_model_))?")
_PEFT = re.compile(r"\.lora_(A|B)(?:\.(?!(?:weight|bias)$)[\w-]{1,64})?(?:\.(weight|bias))?$")
_MAGNITUDE = re.compile(r"\.lora_magnitude_vector(?:\.[\w-]{1,64}){0,2}$")
_OLD = re.compile(r"[._]lora(?:_linear_layer)?\.(up|down)\.weight$")
_ALPHA = re.compile(r"(?:[._]lora|\.lora_linear_layer)?\.(?:lora_)?alpha$")
_SLOTS = {
    ".lora_down.weight": "down",
    ".lora_up.weight": "up",
    ".lora_mid.weight": "mid",
    ".lora_up.bias": "up_bias",
    ".dora_scale": "dora_scale",
    ".scale": "scale",
    **{f".hada_w{n}_{side}": f"hada_w{n}_{side}" for n in (1, 2) for side in "ab"},
    **{f".hada_t{n}": f"hada_t{n}" for n in (1, 2)},
    **{f".lokr_w{n}": f"lokr_w{n}" for n in (1, 2)},
    **{f".lokr_w{n}_{side}": f"lokr_w{n}_{side}" for n in (1, 2) for side in "ab"},
    ".lokr_t2": "lokr_t2",
    ".weight": "weight",
    ".on_input": "on_input",
    ".diff": "diff",
    ".diff_b": "diff_b",
    ".set_weight": "set_weight",
    ".w_norm": "w_norm",
    ".b_norm": "b_norm",
    **{f".{name}.weight": name for name in ("a1", "a2", "b1", "b2", "bm")},
    ".oft_blocks": "oft_blocks",
    ".oft_diag": "oft_diag",
    ".rescale": "rescale",
    ".ia3_l": "ia3_l",
    **{f".bias_{name}": f"bias_{name}" for name in ("indices", "values", "size")},
}
_SUFFIXES = sorted(_SLOTS, key=len, reverse=True)
# Tensors that change nothing alone
NUMBERS = frozenset({"scale", "alpha"})
# and with those that models have too
SHARED = NUMBERS | {"weight"}
_BUNDLED = re.compile(r"bundle_emb\.(.+)\.(string_to_param\.\*|clip_[lg]|emb_params)")


class Piece(NamedTuple):
    """One tensor of a layer's change: the layer's name in the file, and which tensor it is."""

    stem: str
    slot: str


def piece_of(name: str) -> Piece | None:
    """What a tensor of a file is; None where its name is no adapter's."""
    if is_scale(name):
        return None
    if match := _PEFT.search(name):
        slot = "down" if match[1] == "A" else "up"
        if match[2] == "bias":
            slot = f"{slot}_bias"
        return Piece(name[: match.start()], slot)
    if match := _MAGNITUDE.search(name):
        return Piece(name[: match.start()], "magnitude")
    if match := _OLD.search(name):
        return Piece(name[: match.start()], match[1])
    if match := _ALPHA.search(name):
        return Piece(name[: match.start()], "alpha")
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return Piece(name.removesuffix(suffix), _SLOTS[suffix])
    return None


class Place(NamedTuple):
    """Where a layer may be: flat names within parts, the likeliest first."""

    part: str | None
    flat: str


def flat(path: str) -> str:
    """A layer's path as kohya's trainer writes it."""
    return path.replace(".", "_")


def place_of(stem: str) -> Place:
    """The part that a layer's name says, None where it may be any, and its flat name there."""
    bare = stem[match.end() :] if (match := _WRAPPED.match(stem)) else stem
    prefix, part = next(each for each in _PREFIXES if bare.startswith(each[0]))
    rest = flat(bare.removeprefix(prefix).replace(".processor.", "."))
    if part not in (None, UNET):
        rest = rest[_TEXT_INNER.match(rest).end() :]  # pyright: ignore[reportOptionalMemberAccess]
    return Place(part, rest)


def bundled(name: str) -> tuple[str, str] | None:
    """The word and the kind of an embedding that lies in an adapter's file."""
    match = _BUNDLED.fullmatch(name)
    if match is None:
        return None
    kind = match[2]
    return match[1], kind if kind.startswith("clip_") else "*"
