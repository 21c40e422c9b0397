"""The shape of a union of ControlNets, and how published configs spell it."""

from dataclasses import dataclass
from typing import Any, ClassVar

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError
from kakusan.models.control.config import READ, ControlNetConfig

CLASS_NAME = "ControlNetUnionModel"
OWN = (
    *("num_control_type", "num_proj_channel"),
    *("num_trans_channel", "num_trans_head", "num_trans_layer"),
)


@dataclass(frozen=True, kw_only=True)
class ControlUnionConfig(ControlNetConfig):
    """The shape of one net for several kinds of pictures.

    Attributes:
        kinds: how many it knows, 6 or (promax) 8.
        fusion_heads: attention heads of the transformer that weighs the pictures.
        fusion_layers: its blocks.
        type_dim: width of the embedding of whether a kind is there.
    """

    class_name: ClassVar[str] = CLASS_NAME
    own: ClassVar[tuple[str, ...]] = (*READ, *OWN)
    hints: ClassVar[tuple[int, ...]] = (48, 96, 192, 384)

    hint_channels: tuple[int, ...] = (48, 96, 192, 384)
    kinds: int = 6
    fusion_heads: int = 8
    fusion_layers: int = 1
    type_dim: int = 256

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channel_order != "rgb":
            raise CheckpointError("ControlUnionConfig: channel_order must be rgb.")
        if self.block_out_channels[0] % self.fusion_heads:
            raise CheckpointError(
                f"ControlUnionConfig: {self.block_out_channels[0]} channels are no multiple of "
                f"{self.fusion_heads} heads."
            )

    @classmethod
    def _own_fields(cls, read: Fields) -> dict[str, Any]:
        finest = read.integers("block_out_channels", (320, 640, 1280, 1280))[0]
        for key in ("num_trans_channel", "num_proj_channel"):
            width = read.integer(key, 320)
            if width != finest:
                raise CheckpointError(
                    f"{read.where}: {key!r} is {width}; it must be {finest}, the first of "
                    "'block_out_channels'."
                )
        return {
            **super()._own_fields(read),
            "kinds": read.integer("num_control_type", 6, maximum=64),
            "fusion_heads": read.integer("num_trans_head", 8, maximum=finest),
            "fusion_layers": read.integer("num_trans_layer", 1, maximum=64),
            "type_dim": read.integer("addition_time_embed_dim", 256, maximum=16384),
        }

    def to_published(self) -> dict[str, JSON]:
        finest = self.block_out_channels[0]
        return super().to_published() | {
            "addition_time_embed_dim": self.type_dim,
            "num_control_type": self.kinds,
            "num_proj_channel": finest,
            "num_trans_channel": finest,
            "num_trans_head": self.fusion_heads,
            "num_trans_layer": self.fusion_layers,
        }
