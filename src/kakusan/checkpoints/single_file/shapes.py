"""Published configs of networks, told from the shapes of their published tensors."""

import re
from collections.abc import Iterable, Mapping

from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError

Shapes = Mapping[str, tuple[int, ...]]
GROUPS = 32  # of every normalisation in the original networks
HEAD = 64  # channels of an attention head, but for version 1's UNet
V1_HEADS = 8
SIZE_WAVES = 256
_DOWN = {False: "DownBlock2D", True: "CrossAttnDownBlock2D"}
_UP = {False: "UpBlock2D", True: "CrossAttnUpBlock2D"}


def axis(shapes: Shapes, name: str, index: int) -> int:
    """One side of a tensor.

    Raises:
        CheckpointError: There is no such tensor, or it has fewer sides.
    """
    shape = shapes.get(name)
    if shape is None or len(shape) <= index:
        raise CheckpointError(
            f"it lacks {name}" if shape is None else f"{name} has the shape {shape}"
        )
    return shape[index]


def count(shapes: Iterable[str], pattern: str) -> int:
    """One more than the highest number in names; 0 where none fits."""
    compiled = re.compile(pattern)
    return max((int(match[1]) + 1 for name in shapes if (match := compiled.match(name))), default=0)


def unet_config(
    shapes: Shapes,
    *,
    fixed_heads: bool,
    pooled: int | None = None,
    heads: int | None = None,
    head_channels: int | None = None,
) -> dict[str, JSON]:
    """The published config of a UNet, but for the size that it was trained on.

    Args:
        fixed_heads: whether all levels have version 1's number of heads.
        pooled: width of the pooled text, where the file has the encoder that gives it.
        heads: of every level, where somebody says so.
        head_channels: likewise.

    Raises:
        CheckpointError: A tensor that tells is missing, or the widths are none of a UNet's.
    """
    config = half_config(shapes, fixed_heads=fixed_heads, heads=heads, head_channels=head_channels)
    levels, layers = _levels(shapes)
    down = [_depths(shapes, f"down_blocks.{i}", layers) for i in levels]
    up = [_depths(shapes, f"up_blocks.{i}", layers + 1) for i in levels]
    config |= {
        "_class_name": "UNet2DConditionModel",
        "cross_attention_dim": context_width(shapes),
        "down_block_types": [_DOWN[any(depths)] for depths in down],
        "out_channels": axis(shapes, "conv_out.weight", 0),
        "up_block_types": [_UP[any(depths)] for depths in up],
    }
    config |= _depth_fields(down, up, _depths(shapes, "mid_block", 1)[0], shapes)
    config |= added_fields(shapes, pooled)
    if "time_embedding.cond_proj.weight" in shapes:
        config["time_cond_proj_dim"] = axis(shapes, "time_embedding.cond_proj.weight", 1)
    return config


def half_config(
    shapes: Shapes,
    *,
    fixed_heads: bool,
    heads: int | None = None,
    head_channels: int | None = None,
) -> dict[str, JSON]:
    """What a UNet's way down tells of channels, layers and heads; see `unet_config`."""
    levels, layers = _levels(shapes)
    channels = [axis(shapes, f"down_blocks.{i}.resnets.0.conv1.weight", 0) for i in levels]
    _check_groups(channels)
    return {
        "attention_head_dim": _all_heads(channels, fixed_heads, heads, head_channels),
        "block_out_channels": [*channels],
        "in_channels": axis(shapes, "conv_in.weight", 1),
        "layers_per_block": layers,
        "use_linear_projection": not fixed_heads or _is_linear(shapes),
    }


def added_fields(shapes: Shapes, pooled: int | None = None) -> dict[str, JSON]:
    """How SDXL's conditioning beside the tokens is said; empty where there is none."""
    if "add_embedding.linear_1.weight" not in shapes:
        return {}
    added = axis(shapes, "add_embedding.linear_1.weight", 1)
    return {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": _waves(added, pooled),
        "projection_class_embeddings_input_dim": added,
    }


def _levels(shapes: Shapes) -> tuple[range, int]:
    """The levels, and how many residual blocks each has on the way down."""
    levels = range(count(shapes, r"down_blocks\.(\d+)\."))
    layers = {count(shapes, rf"down_blocks\.{i}\.resnets\.(\d+)\.") for i in levels}
    if len(layers) != 1:
        raise CheckpointError(f"its levels have {sorted(layers)} residual blocks, not as many each")
    return levels, layers.pop()


def context_width(shapes: Shapes) -> int:
    """Columns of the keys of the attention to the text.

    Raises:
        CheckpointError: There is no attention, or it has several widths.
    """
    widths = {shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight")}
    if len(widths) != 1:
        several = " and ".join(map(str, sorted(widths)))
        raise CheckpointError(
            f"it mixes two families: its attention to the text has {several} columns"
            if widths
            else "it has no attention to a text"
        )
    return widths.pop()


def _depths(shapes: Shapes, block: str, layers: int) -> list[int]:
    """Transformer blocks after each residual block of a level."""
    where = rf"{re.escape(block)}\.attentions"
    return [count(shapes, rf"{where}\.{j}\.transformer_blocks\.(\d+)\.") for j in range(layers)]


def _depth_fields(
    down: list[list[int]], up: list[list[int]], middle: int, shapes: Shapes
) -> dict[str, JSON]:
    """How published configs say how many transformer blocks there are."""
    simple = all(len(set(depths)) == 1 for depths in [*down, *up])
    mirrored = [depths[0] for depths in down] == [depths[0] for depths in reversed(up)]
    last = down[-1][0] or middle
    if simple and mirrored and middle and last == middle:
        return {"transformer_layers_per_block": [*(each[0] or 1 for each in down[:-1]), middle]}
    fields: dict[str, JSON] = {
        "transformer_layers_per_block": [_depth_of(each) for each in down],
        "reverse_transformer_layers_per_block": [_depth_of(each) for each in up],
    }
    if not middle:
        has_resnet = "mid_block.resnets.0.conv1.weight" in shapes
        fields["mid_block_type"] = "UNetMidBlock2D" if has_resnet else None
    elif middle != last:
        raise CheckpointError(
            f"its middle has {middle} transformer blocks where the last level has {last}"
        )
    return fields


def _depth_of(depths: list[int]) -> JSON:
    if len(set(depths)) == 1:
        return depths[0] or 1
    if 0 in depths:
        raise CheckpointError("a level has attention after some of its residual blocks alone")
    return [*depths]


def _all_heads(
    channels: list[int], fixed: bool, heads: int | None, head_channels: int | None
) -> list[JSON]:
    if head_channels is None and (fixed or heads is not None):
        return [heads or V1_HEADS for _ in channels]
    return [_heads(each, head_channels or HEAD) for each in channels]


def _heads(channels: int, each: int = HEAD) -> int:
    if channels % each:
        raise CheckpointError(
            f"{channels} channels are no multiple of the {each} of an attention head"
        )
    return channels // each


def _check_groups(channels: list[int]) -> None:
    for each in channels:
        if each % GROUPS:
            raise CheckpointError(f"{each} channels are no multiple of the {GROUPS} groups")


def _is_linear(shapes: Shapes) -> bool:
    return any(name.endswith(".proj_in.weight") and len(s) == 2 for name, s in shapes.items())


def _waves(added: int, pooled: int | None) -> int:
    """Width of each embedded size: six of them follow the pooled text, the refiner has five."""
    if pooled is None:
        return SIZE_WAVES
    for numbers in (6, 5):
        if added - pooled == numbers * SIZE_WAVES:
            return SIZE_WAVES
    for numbers in (6, 5):
        if added > pooled and (added - pooled) % numbers == 0:
            return (added - pooled) // numbers
    raise CheckpointError(f"it adds {added} numbers, which do not fit a pooled text of {pooled}")


def vae_config(shapes: Shapes) -> dict[str, JSON]:
    """The published config of a VAE, but for what is no shape.

    Raises:
        CheckpointError: A tensor that tells is missing, or the widths are none of a VAE's.
    """
    levels = range(count(shapes, r"encoder\.down_blocks\.(\d+)\."))
    channels = [axis(shapes, f"encoder.down_blocks.{i}.resnets.0.conv1.weight", 0) for i in levels]
    if not channels:
        raise CheckpointError(
            "it lacks the encoder" if _has(shapes, "decoder.") else "it lacks a VAE"
        )
    if not _has(shapes, "decoder."):
        raise CheckpointError("it lacks the decoder")
    _check_groups(channels)
    latent = axis(shapes, "decoder.conv_in.weight", 1)
    if "quant_conv.weight" not in shapes and latent != 4:
        raise CheckpointError(
            f"its latents have {latent} channels, as those of FLUX and Stable Diffusion 3; those "
            "of Stable Diffusion 1, 2 and XL have 4"
        )
    return {
        "_class_name": "AutoencoderKL",
        "block_out_channels": [*channels],
        "down_block_types": ["DownEncoderBlock2D" for _ in channels],
        "in_channels": axis(shapes, "encoder.conv_in.weight", 1),
        "latent_channels": latent,
        "layers_per_block": count(shapes, r"encoder\.down_blocks\.0\.resnets\.(\d+)\."),
        "out_channels": axis(shapes, "decoder.conv_out.weight", 0),
        "up_block_types": ["UpDecoderBlock2D" for _ in channels],
    }


def _has(shapes: Shapes, start: str) -> bool:
    return any(name.startswith(start) for name in shapes)


def text_config(shapes: Shapes, *, act: str, layers: int | None = None) -> dict[str, JSON]:
    """The published config of a text encoder.

    Args:
        act: `quick_gelu` (OpenAI's) or `gelu` (OpenCLIP's).
        layers: how many are used, where not all are.

    Raises:
        CheckpointError: A tensor that tells is missing, or the width is none of a text encoder's.
    """
    hidden = axis(shapes, "embeddings.token_embedding.weight", 1)
    projection = shapes.get("text_projection.weight")
    held = count(shapes, r"encoder\.layers\.(\d+)\.")
    return {
        "bos_token_id": 0,  # these three as all published folders have them
        "eos_token_id": 2,
        "hidden_act": act,
        "hidden_size": hidden,
        "intermediate_size": axis(shapes, "encoder.layers.0.mlp.fc1.weight", 0),
        "max_position_embeddings": axis(shapes, "embeddings.position_embedding.weight", 0),
        "model_type": "clip_text_model",
        "num_attention_heads": _heads(hidden),
        "num_hidden_layers": held if layers is None else layers,
        "pad_token_id": 1,
        "projection_dim": projection[0] if projection else hidden,
        "vocab_size": axis(shapes, "embeddings.token_embedding.weight", 0),
    }
