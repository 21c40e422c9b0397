"""Published configs of the networks that steer, told from the shapes of their published tensors."""

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.single_file.recognition import family_of
from kakusan.checkpoints.single_file.shapes import (
    Shapes,
    added_fields,
    axis,
    context_width,
    count,
    half_config,
)
from kakusan.errors import CheckpointError

_HINT = "controlnet_cond_embedding"
_XL_CONTEXT, _CONTEXT = 2048, 768
_HEADS = 8  # of the transformer that weighs a union's pictures
# The unshuffled picture of an adapter: so many channels, or a third of it for one in grey
_UNSHUFFLED = {768: 16, 256: 16, 192: 8, 64: 8}


def control_config(shapes: Shapes, *, pools: bool) -> dict[str, JSON]:
    """The published config of a ControlNet.

    Args:
        pools: whether what it adds is the same at all positions, which no shape tells.

    Raises:
        CheckpointError: A tensor that tells is missing, or the widths are none of such a net.
    """
    is_xl = "add_embedding.linear_1.weight" in shapes
    attends = any(".attn2.to_k." in name for name in shapes)
    context = context_width(shapes) if attends else (_XL_CONTEXT if is_xl else _CONTEXT)
    fixed = attends and not is_xl and family_of(shapes) == "v1"
    config = half_config(shapes, fixed_heads=fixed)
    config |= {
        "_class_name": "ControlNetModel",
        "conditioning_channels": axis(shapes, f"{_HINT}.conv_in.weight", 1),
        "conditioning_embedding_out_channels": _hints(shapes),
        "cross_attention_dim": context,
        "global_pool_conditions": pools,
    }
    return config | _depths(shapes) | added_fields(shapes) | _union(shapes)


def _hints(shapes: Shapes) -> list[JSON]:
    blocks = count(shapes, rf"{_HINT}\.blocks\.(\d+)\.")
    wider = [axis(shapes, f"{_HINT}.blocks.{n}.weight", 0) for n in range(1, blocks, 2)]
    return [axis(shapes, f"{_HINT}.conv_in.weight", 0), *wider]


def _depths(shapes: Shapes) -> dict[str, JSON]:
    """Where there is attention, and how much of it; some have its projections alone."""
    levels = count(shapes, r"down_blocks\.(\d+)\.")
    blocks = [f"down_blocks.{level}" for level in range(levels)]
    depths = [_depth(shapes, block) for block in blocks]
    middle = _depth(shapes, "mid_block")
    last = depths[-1]
    if last is not None and last != middle:
        raise CheckpointError(
            f"its middle has {middle or 'no'} transformer blocks where the last level has {last}"
        )
    here: list[JSON] = [1 if depth is None else depth for depth in depths]
    if middle is not None:
        here[-1] = middle
    return {
        "down_block_types": [
            "DownBlock2D" if depth is None else "CrossAttnDownBlock2D" for depth in depths
        ],
        "mid_block_type": "UNetMidBlock2D" if middle is None else "UNetMidBlock2DCrossAttn",
        "transformer_layers_per_block": here,
    }


def _depth(shapes: Shapes, block: str) -> int | None:
    where = f"{block}.attentions.0"
    if f"{where}.norm.weight" not in shapes:
        return None
    return count(shapes, rf"{where.replace('.', '[.]')}\.transformer_blocks\.(\d+)\.")


def _union(shapes: Shapes) -> dict[str, JSON]:
    if "task_embedding" not in shapes:
        return {}
    kinds, width = axis(shapes, "task_embedding", 0), axis(shapes, "task_embedding", 1)
    return {
        "_class_name": "ControlNetUnionModel",
        "addition_time_embed_dim": axis(shapes, "control_add_embedding.linear_1.weight", 1)
        // max(kinds, 1),
        "num_control_type": kinds,
        "num_proj_channel": axis(shapes, "spatial_ch_projs.weight", 0),
        "num_trans_channel": width,
        "num_trans_head": _HEADS,
        "num_trans_layer": count(shapes, r"transformer_layes\.(\d+)\."),
    }


def adapter_config(shapes: Shapes) -> dict[str, JSON]:
    """The published config of a T2I-Adapter.

    Raises:
        CheckpointError: A tensor that tells is missing, or the widths are none of an adapter.
    """
    levels = range(count(shapes, r"adapter\.body\.(\d+)\."))
    blocks = count(shapes, r"adapter\.body\.0\.resnets\.(\d+)\.")
    is_light = "adapter.body.0.out_conv.weight" in shapes
    if is_light:
        channels = [axis(shapes, f"adapter.body.{i}.out_conv.weight", 0) for i in levels][:-1]
        unshuffled = axis(shapes, "adapter.body.0.in_conv.weight", 1)
    else:
        first = "resnets.0.block1.weight"
        channels = [axis(shapes, f"adapter.body.{i}.{first}", 0) for i in levels]
        unshuffled = axis(shapes, "adapter.conv_in.weight", 1)
    factor = _UNSHUFFLED.get(unshuffled, 8)
    if unshuffled % factor**2 or not channels:
        raise CheckpointError(f"it takes {unshuffled} channels, which no unshuffled picture has")
    full = "full_adapter_xl" if factor == 16 else "full_adapter"
    return {
        "_class_name": "T2IAdapter",
        "adapter_type": "light_adapter" if is_light else full,
        "channels": [*channels],
        "downscale_factor": factor,
        "in_channels": unshuffled // factor**2,
        "num_res_blocks": blocks,
    }
