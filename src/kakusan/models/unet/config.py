"""The shape of a UNet, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown
from kakusan.models.published import check_implemented, check_known, evenly
from kakusan.models.published_mapping import PublishedMapping
from kakusan.models.unet.block_types import (
    DOWN_TYPES,
    MIDDLES,
    UP_TYPES,
    check_attends_to_itself,
    down_depths,
    levels_with_attention,
    middle_resnets,
    up_depths,
)
from kakusan.models.unet.published import (
    CLASS_NAME,
    IMPLEMENTED,
    MAX_CHANNELS,
    NULL_ACTS,
    READ,
    WITHOUT_EFFECT,
    check_time_embedding,
    guidance_dim,
    sample_size,
)


@dataclass(frozen=True, kw_only=True)
class UNetConfig(PublishedMapping):
    """The shape of a UNet; the defaults are Stable Diffusion 1.x.

    Attributes:
        sample_size: height and width of the latents that it was trained on, a number for both.
        in_channels: channels of the latents.
        out_channels: channels of the prediction.
        block_out_channels: channels of each level, the finest first.
        layers_per_block: residual blocks of a level on the way down; on the way up one more.
        transformer_depth: transformer blocks of each level; 0 is a level without attention.
        middle_transformer_depth: transformer blocks in the middle; the last level's, unless that
            is 0 (published configs cannot say otherwise).
        up_transformer_depth: transformer blocks after each residual block of each level on the way
            up, the finest level first, as distilled networks have them; empty for as many as on
            the way down.
        middle_resnets: residual blocks of the middle; 1 and 0, as distilled networks have them, are
            without attention between.
        num_heads: attention heads of each level; the middle has the last level's.
        cross_attention_dim: width of the text embeddings.
        norm_num_groups: groups of the group normalisations.
        linear_projection: whether files hold the transformers' outer projections as linear layers
            (v2, SDXL) rather than as 1x1 convolutions (v1).
        added_time_dim: SDXL: width of the embedding of each size that conditions; 0 for none.
        added_conditioning_dim: SDXL: width of the pooled text and all embedded sizes together.
        guidance_dim: width of the embedding of guidance that a distilled network (LCM) takes in
            place of a second call; 0 for none.
    """

    fixed = {key: allowed[0] if allowed else None for key, allowed in IMPLEMENTED.items()} | {
        "addition_embed_type": None,
        "addition_time_embed_dim": None,
        "mid_block_only_cross_attention": None,
        "only_cross_attention": False,
        "projection_class_embeddings_input_dim": None,
        "reverse_transformer_layers_per_block": None,
        "time_cond_proj_dim": None,
        "time_embedding_dim": None,
        "upcast_attention": False,
    }

    sample_size: int | tuple[int, int] = 64
    in_channels: int = 4
    out_channels: int = 4
    block_out_channels: tuple[int, ...] = (320, 640, 1280, 1280)
    layers_per_block: int = 2
    transformer_depth: tuple[int, ...] = (1, 1, 1, 0)
    middle_transformer_depth: int = 1
    up_transformer_depth: tuple[tuple[int, ...], ...] = ()
    middle_resnets: int = 2
    num_heads: tuple[int, ...] = (8, 8, 8, 8)
    cross_attention_dim: int = 768
    norm_num_groups: int = 32
    linear_projection: bool = False
    added_time_dim: int = 0
    added_conditioning_dim: int = 0
    guidance_dim: int = 0

    def __post_init__(self) -> None:
        levels = len(self.block_out_channels)
        for name in ("transformer_depth", "num_heads"):
            if len(getattr(self, name)) != levels:
                raise CheckpointError(
                    f"UNetConfig: {name} has {len(getattr(self, name))} values for {levels} levels."
                )
        for channels, heads in zip(self.block_out_channels, self.num_heads, strict=True):
            if channels % self.norm_num_groups or channels % heads or channels % 2:
                raise CheckpointError(
                    f"UNetConfig: {channels} channels must be a multiple of 2, of "
                    f"norm_num_groups {self.norm_num_groups} and of the level's {heads} heads."
                )
        self._check_up()
        self._check_middle()
        if bool(self.added_time_dim) != bool(self.added_conditioning_dim):
            raise CheckpointError(
                "UNetConfig: added_time_dim and added_conditioning_dim must be given together."
            )

    def _check_middle(self) -> None:
        last = self.transformer_depth[-1]
        if self.middle_resnets == 2 and (
            self.middle_transformer_depth < 1 or last not in (0, self.middle_transformer_depth)
        ):
            raise CheckpointError(
                f"UNetConfig: middle_transformer_depth is {self.middle_transformer_depth}; it must "
                f"be {last or 'at least 1'}."
            )

    def _check_up(self) -> None:
        layers, given = self.layers_per_block + 1, self.up_transformer_depth
        fits = len(given) == len(self.transformer_depth)
        for depths, down in zip(given, self.transformer_depth, strict=False):
            fits = fits and len(depths) == layers and all((n > 0) == (down > 0) for n in depths)
        if given and not fits:
            raise CheckpointError(
                f"UNetConfig: up_transformer_depth is {shown(given)}; it must have {layers} values "
                "for each level, above 0 where the level has attention."
            )

    def down_depth(self, level: int) -> int | None:
        """Transformer blocks after each residual block of a level on the way down; None for none.

        Networks that steer may have 0, attention that is its projections alone.
        """
        return self.transformer_depth[level] or None

    def up_depths(self, level: int) -> tuple[int, ...]:
        """Transformer blocks after each residual block of a level on the way up."""
        if self.up_transformer_depth:
            return self.up_transformer_depth[level]
        return (self.transformer_depth[level],) * (self.layers_per_block + 1)

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read a published config; `where` names the file in messages.

        Raises:
            CheckpointError: A value is absurd or asks for what this UNet does not have.
        """
        fields = Fields(published, where)
        fields.choice("_class_name", CLASS_NAME, (CLASS_NAME,))
        check_implemented(published, where, IMPLEMENTED, null_acts=NULL_ACTS)
        check_known(published, where, READ | WITHOUT_EFFECT | IMPLEMENTED.keys())
        channels = fields.integers(
            "block_out_channels", (320, 640, 1280, 1280), maximum=MAX_CHANNELS
        )
        levels = len(channels)
        attends = levels_with_attention(fields, levels)
        # a published depth counts only where the block's type says attention, and in the middle
        depths = down_depths(fields, levels)
        middle = middle_resnets(published)
        check_attends_to_itself(fields, attends)
        check_time_embedding(fields, channels[0])
        adds = fields.has("addition_embed_type")
        layers = evenly(fields, "layers_per_block", 2, maximum=16)
        return cls(
            sample_size=sample_size(published, fields),
            in_channels=fields.integer("in_channels", 4, maximum=256),
            out_channels=fields.integer("out_channels", 4, maximum=256),
            block_out_channels=channels,
            layers_per_block=layers,
            transformer_depth=tuple(
                depth if attention else 0 for depth, attention in zip(depths, attends, strict=True)
            ),
            middle_transformer_depth=depths[-1] if middle == 2 else 0,
            up_transformer_depth=up_depths(fields, attends, depths, layers),
            middle_resnets=middle,
            # the published name is a misnomer: it has always been the number of heads
            num_heads=fields.integers("attention_head_dim", 8, length=levels, maximum=MAX_CHANNELS),
            cross_attention_dim=evenly(fields, "cross_attention_dim", 1280, maximum=MAX_CHANNELS),
            norm_num_groups=fields.integer("norm_num_groups", 32, maximum=MAX_CHANNELS),
            linear_projection=fields.boolean("use_linear_projection", False),
            added_time_dim=fields.integer("addition_time_embed_dim", maximum=MAX_CHANNELS)
            if adds
            else 0,
            added_conditioning_dim=fields.integer("projection_class_embeddings_input_dim")
            if adds
            else 0,
            guidance_dim=guidance_dim(fields),
        )

    @property
    def latent_size(self) -> tuple[int, int]:
        """Height and width of the latents that it was trained on."""
        size = self.sample_size
        return (size, size) if isinstance(size, int) else size

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        attends = [depth > 0 for depth in self.transformer_depth]
        depths = [depth or 1 for depth in self.transformer_depth[:-1]]
        middle = self.middle_transformer_depth
        published: dict[str, JSON] = {
            "act_fn": "silu",
            "attention_head_dim": list(self.num_heads),
            "block_out_channels": list(self.block_out_channels),
            "center_input_sample": False,
            "cross_attention_dim": self.cross_attention_dim,
            "down_block_types": [DOWN_TYPES[attention] for attention in attends],
            "downsample_padding": 1,
            "flip_sin_to_cos": True,
            "freq_shift": 0,
            "in_channels": self.in_channels,
            "layers_per_block": self.layers_per_block,
            "mid_block_scale_factor": 1,
            "mid_block_type": MIDDLES[self.middle_resnets],
            "norm_eps": 1e-5,
            "norm_num_groups": self.norm_num_groups,
            "out_channels": self.out_channels,
            "sample_size": size if isinstance(size := self.sample_size, int) else list(size),
            "transformer_layers_per_block": [*depths, self.transformer_depth[-1] or middle or 1],
            "up_block_types": [UP_TYPES[attention] for attention in reversed(attends)],
            "use_linear_projection": self.linear_projection,
        }
        if self.up_transformer_depth:
            up: list[JSON] = [[*(n or 1 for n in each)] for each in self.up_transformer_depth[::-1]]
            published["reverse_transformer_layers_per_block"] = up
        if self.added_time_dim:
            published["addition_embed_type"] = "text_time"
            published["addition_time_embed_dim"] = self.added_time_dim
            published["projection_class_embeddings_input_dim"] = self.added_conditioning_dim
        if self.guidance_dim:
            published["time_cond_proj_dim"] = self.guidance_dim
        return published
