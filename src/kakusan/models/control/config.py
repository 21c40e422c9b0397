"""The shape of a ControlNet, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self, cast

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown
from kakusan.models.unet.config import UNetConfig

CLASS_NAME = "ControlNetModel"
MAX_CHANNELS = 16384
ORDERS = ("rgb", "bgr")
DOWN = ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D")
DEPTHS = "transformer_layers_per_block"
READ = (
    *("conditioning_channels", "conditioning_embedding_out_channels"),
    *("controlnet_conditioning_channel_order", "global_pool_conditions"),
)
# What a UNet's config says of the way up, and of how it was trained
OF_A_UNET = (
    *("center_input_sample", "out_channels", "reverse_transformer_layers_per_block"),
    *("sample_size", "up_block_types"),
)


@dataclass(frozen=True, kw_only=True)
class ControlNetConfig(UNetConfig):
    """The shape of the half of a UNet that a ControlNet is a copy of, and of what it adds.

    Fields of the way up have no effect.

    Attributes:
        picture_channels: of the pictures that steer.
        hint_channels: of the convolutions that embed a picture; each but the first halves it.
        channel_order: in which the net wants red, green and blue: "rgb" or "bgr".
        pools: whether what it adds is the same at all positions: the mean.
        bare_levels: levels whose attention is its projections alone, without transformer blocks.
    """

    class_name: ClassVar[str] = CLASS_NAME
    own: ClassVar[tuple[str, ...]] = READ
    hints: ClassVar[tuple[int, ...]] = (16, 32, 96, 256)

    picture_channels: int = 3
    hint_channels: tuple[int, ...] = (16, 32, 96, 256)
    channel_order: str = "rgb"
    pools: bool = False
    bare_levels: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.middle_resnets == 0:
            raise CheckpointError("ControlNetConfig: a ControlNet without a middle steers nothing.")

    def _check_middle(self) -> None:
        last, middle = self.transformer_depth[-1], self.middle_transformer_depth
        if self.middle_resnets == 2 and last not in (0, middle):
            raise CheckpointError(
                f"ControlNetConfig: middle_transformer_depth is {middle}; it must be {last}."
            )

    def down_depth(self, level: int) -> int | None:
        return 0 if level in self.bare_levels else super().down_depth(level)

    @property
    def hint_factor(self) -> int:
        """Pixels of a picture along one side of what it is embedded to."""
        return 2 ** (len(self.hint_channels) - 1)

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read a published config; `where` names the file in messages.

        Raises:
            CheckpointError: A value is absurd or asks for what these networks do not have.
        """
        read = Fields(published, where)
        read.choice("_class_name", cls.class_name, (cls.class_name,))
        half = _as_unet({key: v for key, v in published.items() if key not in cls.own}, read)
        depths, bare = _depths(half, read)
        unet = UNetConfig.from_published(half, where)
        values: dict[str, Any] = {
            field.name: getattr(unet, field.name) for field in fields(UNetConfig)
        }
        if depths and not depths[-1] and unet.middle_resnets == 2:
            values["middle_transformer_depth"] = 0
        values["transformer_depth"] = tuple(
            0 if level in bare else depth for level, depth in enumerate(unet.transformer_depth)
        )
        return cls(**values, bare_levels=bare, **cls._own_fields(read))

    @classmethod
    def _own_fields(cls, read: Fields) -> dict[str, Any]:
        return {
            "picture_channels": read.integer("conditioning_channels", 3, maximum=64),
            "hint_channels": read.integers(
                "conditioning_embedding_out_channels", cls.hints, maximum=MAX_CHANNELS
            ),
            "channel_order": read.choice("controlnet_conditioning_channel_order", "rgb", ORDERS),
            "pools": read.boolean("global_pool_conditions", False),
        }

    @classmethod
    def of_unet(cls, unet: UNetConfig, **changes: Any) -> Self:
        """Of a net that begins as a copy of a UNet."""
        values = {field.name: getattr(unet, field.name) for field in fields(UNetConfig)}
        plain: dict[str, Any] = {"up_transformer_depth": (), "guidance_dim": 0}
        made = cls(**{**values, **plain})
        return replace(made, **changes)

    def to_published(self) -> dict[str, JSON]:
        found = {k: value for k, value in super().to_published().items() if k not in OF_A_UNET}
        down = cast("list[JSON]", found["down_block_types"])
        depths = cast("list[JSON]", found[DEPTHS])
        for level in self.bare_levels:
            down[level], depths[level] = DOWN[0], 0
        if self.middle_resnets == 2 and not self.middle_transformer_depth:
            depths[-1] = 0
        own: dict[str, JSON] = {
            "conditioning_channels": self.picture_channels,
            "conditioning_embedding_out_channels": list(self.hint_channels),
            "controlnet_conditioning_channel_order": self.channel_order,
            "global_pool_conditions": self.pools,
        }
        return found | own


def _as_unet(published: dict[str, JSON], read: Fields) -> dict[str, JSON]:
    """The config of a UNet whose way down is this one."""
    down = read.texts("down_block_types", DOWN)
    up: list[JSON] = [name.replace("Down", "Up") for name in reversed(down)]
    own: dict[str, JSON] = {
        "_class_name": "UNet2DConditionModel",
        "down_block_types": [*down],
        "up_block_types": up,
    }
    return published | own


def _depths(half: dict[str, JSON], read: Fields) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Transformer blocks of each level, and the levels that have attention and none of them.

    A UNet has at least one where it has attention, which `half` says in their place.

    Raises:
        CheckpointError: They are no numbers.
    """
    down = cast("list[str]", half["down_block_types"])
    value = half.get(DEPTHS)
    if value is None or (isinstance(value, list) and any(isinstance(v, list) for v in value)):
        return (), ()
    depths = read.integers(DEPTHS, length=len(down), minimum=0, maximum=64)
    half[DEPTHS] = [depth or 1 for depth in depths]
    attends = [name == DOWN[0] for name in down]
    pairs = enumerate(zip(depths, attends, strict=True))
    return depths, tuple(level for level, (depth, has) in pairs if has and not depth)


def check_hints(config: ControlNetConfig) -> None:
    """Refuse a net whose embedded pictures are not the size of latents.

    Raises:
        CheckpointError: It halves pictures another number of times than the VAE.
    """
    if config.hint_factor != 8:
        raise CheckpointError(
            f"conditioning_embedding_out_channels is {shown([*config.hint_channels])}; a net for "
            "Stable Diffusion has four values"
        )
