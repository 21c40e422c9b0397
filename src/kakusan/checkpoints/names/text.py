"""Names of the text encoder's tensors: OpenCLIP's and those of the published folders, both ways.

Published names stand here without their `text_model.`, which some files leave out.
"""

import re

from kakusan.checkpoints.names.pieces import Pieces

PREFIX = "text_model."
PROJECTION = "text_projection"  # OpenCLIP's, the transpose of the published tensor
# OpenCLIP's parameter -> ours; what comes after them, where something does, stays
_WHOLE = {
    "token_embedding.weight": "embeddings.token_embedding.weight",
    "positional_embedding": "embeddings.position_embedding.weight",
    "ln_final.weight": "final_layer_norm.weight",
    "ln_final.bias": "final_layer_norm.bias",
    PROJECTION: "text_projection.weight",
}
_BLOCK = Pieces(
    {
        "ln_1": "layer_norm1",
        "ln_2": "layer_norm2",
        "attn.out_proj": "self_attn.out_proj",
        "mlp.c_fc": "mlp.fc1",
        "mlp.c_proj": "mlp.fc2",
    }
)
# The rows of OpenCLIP's `in_proj`, a third each, in this order
FUSED = ("q_proj", "k_proj", "v_proj")
_RESBLOCK = re.compile(r"transformer\.resblocks\.(\d{1,3})\.(.+)")
_LAYER = re.compile(r"encoder\.layers\.(\d{1,3})\.(.+)")
_IN_PROJ = re.compile(r"attn\.in_proj_(weight|bias)")
_SEPARATE = re.compile(r"self_attn\.(q_proj|k_proj|v_proj)\.(weight|bias)")
# stable-diffusion.cpp keeps them fused under the other form's names
_HALF_FUSED = re.compile(r"self_attn\.in_proj[._](weight|bias)")


def bare(name: str) -> str:
    """A published name without `text_model.`."""
    return name.removeprefix(PREFIX)


def to_published(name: str) -> tuple[str, ...]:
    """The published names of what an OpenCLIP tensor holds: one, the fused three, or none.

    Three are the thirds of its rows. `text_projection` is the transpose of the published tensor.
    """
    if name in _WHOLE:
        return (_WHOLE[name],)
    if name == "text_projection.weight":  # already as published
        return (name,)
    match = _RESBLOCK.fullmatch(name)
    if match is None:
        return ()
    layer, rest = f"encoder.layers.{match[1]}", match[2]
    if fused := _IN_PROJ.fullmatch(rest):
        return tuple(f"{layer}.self_attn.{third}.{fused[1]}" for third in FUSED)
    found = _BLOCK.there(rest)
    return () if found is None else (f"{layer}.{found}",)


def thirds(name: str) -> tuple[str, ...]:
    """The published names of a fused tensor under a published name; none for another."""
    match = _LAYER.fullmatch(name)
    fused = _HALF_FUSED.fullmatch(match[2]) if match else None
    if match is None or fused is None:
        return ()
    return tuple(f"encoder.layers.{match[1]}.self_attn.{third}.{fused[1]}" for third in FUSED)


def half_published(name: str) -> tuple[str, ...]:
    """The published names under one that is published but for what stable-diffusion.cpp leaves."""
    plain = bare(name)
    return thirds(plain) or (_WHOLE[PROJECTION] if plain == PROJECTION else plain,)


def to_openclip(name: str) -> str | None:
    """The OpenCLIP tensor that holds a published one; None where it has none."""
    for openclip, published in _WHOLE.items():
        if name == published:
            return openclip
    match = _LAYER.fullmatch(name)
    if match is None:
        return None
    block, rest = f"transformer.resblocks.{match[1]}", match[2]
    if separate := _SEPARATE.fullmatch(rest):
        return f"{block}.attn.in_proj_{separate[2]}"
    found = _BLOCK.back(rest)
    return None if found is None else f"{block}.{found}"
