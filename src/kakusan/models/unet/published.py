"""How published configs spell the shape of a UNet: which fields count, and what they may say."""

from collections.abc import Mapping

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError
from kakusan.models.published import OF_AVERAGES, sample_sizes

CLASS_NAME = "UNet2DConditionModel"
MAX_CHANNELS = 16384
# Fields that have one meaning here. The order of normalisation, the activation and the kernel sizes
# are the same in every Stable Diffusion.
IMPLEMENTED: dict[str, list[JSON]] = {
    "act_fn": ["silu", "swish"],
    "addition_embed_type": ["text_time"],
    "attention_type": ["default"],
    "center_input_sample": [False],
    "class_embed_type": [],
    "class_embeddings_concat": [False],
    "conv_in_kernel": [3],
    "conv_out_kernel": [3],
    "cross_attention_norm": [],
    "downsample_padding": [1],
    "dropout": [0],
    "dual_cross_attention": [False],
    "encoder_hid_dim": [],
    "encoder_hid_dim_type": [],
    "flip_sin_to_cos": [True],
    "freq_shift": [0],
    "mid_block_only_cross_attention": [False],
    "mid_block_scale_factor": [1],
    "mid_block_type": ["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"],
    "norm_eps": [1e-5],
    "num_attention_heads": [],
    "num_class_embeds": [],
    "resnet_out_scale_factor": [1],
    "resnet_skip_time_act": [False],
    "resnet_time_scale_shift": ["default"],
    "time_embedding_act_fn": [],
    "time_embedding_type": ["positional"],
    "timestep_post_act": [],
}
# Of these null is a value of its own: no middle, other waves, other normalisations.
NULL_ACTS = ("flip_sin_to_cos", "norm_num_groups", "cross_attention_dim")
READ = {
    "addition_time_embed_dim",
    "attention_head_dim",
    "block_out_channels",
    "cross_attention_dim",
    "down_block_types",
    "in_channels",
    "layers_per_block",
    "norm_num_groups",
    "only_cross_attention",
    "out_channels",
    "projection_class_embeddings_input_dim",
    "reverse_transformer_layers_per_block",
    "sample_size",
    "time_cond_proj_dim",
    "time_embedding_dim",
    "transformer_layers_per_block",
    "up_block_types",
    "use_linear_projection",
}
WITHOUT_EFFECT = {"addition_embed_type_num_heads", "upcast_attention"} | OF_AVERAGES


def guidance_dim(fields: Fields) -> int:
    """The width of the embedding of guidance; 0 for none."""
    if not fields.has("time_cond_proj_dim"):
        return 0
    return fields.integer("time_cond_proj_dim", minimum=4, maximum=MAX_CHANNELS)


def check_time_embedding(fields: Fields, channels: int) -> None:
    """Refuse a time embedding that is not four times as wide as the finest level."""
    width = fields.integer("time_embedding_dim", 4 * channels)
    if width != 4 * channels:
        raise CheckpointError(
            f"{fields.where}: 'time_embedding_dim' is {width}, which kakusan cannot do; it can do "
            f"{4 * channels}, four times the first of 'block_out_channels'."
        )


def sample_size(published: Mapping[str, JSON], fields: Fields) -> int | tuple[int, int]:
    """The size trained on; configs from before version 0.9 could hold a wrong one below 64."""
    height, width = sample_sizes(fields, 64, maximum=4096)
    if height != width:
        return height, width
    size = height
    version = str(published.get("_diffusers_version", "1")).split(".")[:2]
    old = all(number.isdigit() for number in version) and [int(n) for n in version] < [0, 9]
    return max(size, 64) if old else size
