"""The shape of a T2I-Adapter, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError
from kakusan.models.published import check_known
from kakusan.models.published_mapping import PublishedMapping

CLASS_NAME = "T2IAdapter"
TYPES = ("full_adapter", "full_adapter_xl", "light_adapter")
READ = {"adapter_type", "channels", "downscale_factor", "in_channels", "num_res_blocks"}
MAX_CHANNELS = 16384


@dataclass(frozen=True, kw_only=True)
class T2IAdapterConfig(PublishedMapping):
    """The shape of a T2I-Adapter; the defaults are version 1's full one.

    Attributes:
        in_channels: of the picture: 3, or 1 for a drawing in grey.
        channels: of each level, the finest first; a light adapter has one level more, as wide as
            the last.
        num_res_blocks: of each level.
        downscale_factor: pixels along one side of the first level's positions.
        adapter_type: one of `TYPES`.
    """

    in_channels: int = 3
    channels: tuple[int, ...] = (320, 640, 1280, 1280)
    num_res_blocks: int = 2
    downscale_factor: int = 8
    adapter_type: str = TYPES[0]

    def __post_init__(self) -> None:
        fewest = 3 if self.adapter_type == "full_adapter_xl" else 1
        if len(self.channels) < fewest:
            raise CheckpointError(
                f"T2IAdapterConfig: channels are {list(self.channels)}; {fewest} are needed."
            )
        if self.adapter_type == "light_adapter" and any(each % 4 for each in self.channels):
            raise CheckpointError(
                f"T2IAdapterConfig: channels are {list(self.channels)}; a light adapter's are "
                "multiples of 4."
            )

    @property
    def levels(self) -> tuple[tuple[int, int, bool], ...]:
        """Channels in and out of each level, and whether it halves what enters."""
        widths = self.channels
        if self.adapter_type == "light_adapter":
            entering = (self.in_channels * self.downscale_factor**2, *widths)
            leaving = (*widths, widths[-1])
        else:
            entering, leaving = (widths[0], *widths[:-1]), widths
        is_xl = self.adapter_type == "full_adapter_xl"
        pairs = enumerate(zip(entering, leaving, strict=True))
        return tuple((a, b, i == 2 if is_xl else i > 0) for i, (a, b) in pairs)

    @property
    def total_downscale_factor(self) -> int:
        """Pixels along one side of the coarsest level's positions."""
        return self.downscale_factor * 2 ** sum(halves for *_, halves in self.levels)

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read a published config; `where` names the file in messages.

        Raises:
            CheckpointError: A value is absurd or asks for what these networks do not have.
        """
        fields = Fields(published, where)
        fields.choice("_class_name", CLASS_NAME, (CLASS_NAME,))
        check_known(published, where, READ)
        return cls(
            in_channels=fields.integer("in_channels", 3, maximum=256),
            channels=fields.integers("channels", (320, 640, 1280, 1280), maximum=MAX_CHANNELS),
            num_res_blocks=fields.integer("num_res_blocks", 2, maximum=64),
            downscale_factor=fields.integer("downscale_factor", 8, maximum=64),
            adapter_type=fields.choice("adapter_type", TYPES[0], TYPES),
        )

    def to_published(self) -> dict[str, JSON]:
        return {
            "adapter_type": self.adapter_type,
            "channels": list(self.channels),
            "downscale_factor": self.downscale_factor,
            "in_channels": self.in_channels,
            "num_res_blocks": self.num_res_blocks,
        }
