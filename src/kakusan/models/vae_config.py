"""The shape of a VAE, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError, shown
from kakusan.models.published import (
    OF_AVERAGES,
    check_implemented,
    check_known,
    evenly,
    sample_sizes,
)
from kakusan.models.published_mapping import PublishedMapping

IMPLEMENTED: dict[str, list[JSON]] = {
    "act_fn": ["silu", "swish"],
    "mid_block_add_attention": [True],
    "shift_factor": [0],
    "use_post_quant_conv": [True],
    "use_quant_conv": [True],
}
# Of these null is a value of its own: it leaves the layers out.
NULL_ACTS = ("mid_block_add_attention", "use_post_quant_conv", "use_quant_conv")
# The mean and the deviation of each channel of the latents, where they are not 0 and 1
STATISTICS: dict[str, float] = {"latents_mean": 0.0, "latents_std": 1.0}
_LARGEST = 1e6  # of them
READ = {
    "block_out_channels",
    "down_block_types",
    "force_upcast",
    "in_channels",
    "latent_channels",
    "layers_per_block",
    "norm_num_groups",
    "out_channels",
    "sample_size",
    "scaling_factor",
    "up_block_types",
}
CLASS_NAME = "AutoencoderKL"
DOWN_TYPE = "DownEncoderBlock2D"
UP_TYPE = "UpDecoderBlock2D"


@dataclass(frozen=True, kw_only=True)
class VAEConfig(PublishedMapping):
    """The shape of a VAE; the defaults are Stable Diffusion 1.x.

    Attributes:
        in_channels: channels of a picture.
        out_channels: channels of a decoded picture.
        latent_channels: channels of the latents.
        block_out_channels: channels of each level, the finest first.
        layers_per_block: residual blocks of an encoder level; the decoder has one more.
        norm_num_groups: groups of the group normalisations.
        scaling_factor: what latents are multiplied with to have a standard deviation near 1.
        force_upcast: whether float16 overflows in it, so that weights stored in it compute in
            float32; a file has to say so.
        latents_mean, latents_std: of each channel, which latents are freed of before they are
            scaled; None where they are only scaled.
        sample_size: height and width of the pictures that it was trained on; the size of a tile.
    """

    fixed = {key: allowed[0] for key, allowed in IMPLEMENTED.items()} | {
        "latents_mean": None,
        "latents_std": None,
        "shift_factor": None,
    }

    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    norm_num_groups: int = 32
    scaling_factor: float = 0.18215
    force_upcast: bool = False
    sample_size: int = 512
    latents_mean: tuple[float, ...] | None = None
    latents_std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        for channels in self.block_out_channels:
            if channels % self.norm_num_groups:
                raise CheckpointError(
                    f"VAEConfig: {channels} channels must be a multiple of "
                    f"norm_num_groups {self.norm_num_groups}."
                )

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read a published config; `where` names the file in messages.

        Raises:
            CheckpointError: A value is absurd or asks for what this VAE does not have.
        """
        fields = Fields(published, where)
        fields.choice("_class_name", CLASS_NAME, (CLASS_NAME,))
        check_implemented(published, where, IMPLEMENTED, null_acts=NULL_ACTS)
        check_known(published, where, READ | IMPLEMENTED.keys() | STATISTICS.keys() | OF_AVERAGES)
        mean, std = _statistics(fields)
        channels = fields.integers("block_out_channels", (64,), maximum=16384)
        for key, known in (("down_block_types", DOWN_TYPE), ("up_block_types", UP_TYPE)):
            for name in fields.texts(key, [known] * len(channels), length=len(channels)):
                if name != known:
                    raise CheckpointError(
                        f"{where}: {key!r} has {shown(name)}, which kakusan does not have; "
                        f"it has {known}."
                    )
        return cls(
            in_channels=fields.integer("in_channels", 3, maximum=64),
            out_channels=fields.integer("out_channels", 3, maximum=64),
            latent_channels=fields.integer("latent_channels", 4, maximum=256),
            block_out_channels=channels,
            layers_per_block=evenly(fields, "layers_per_block", 1, maximum=16),
            norm_num_groups=fields.integer("norm_num_groups", 32, maximum=16384),
            scaling_factor=fields.number("scaling_factor", 0.18215, minimum=1e-6, maximum=1e6),
            force_upcast=fields.boolean("force_upcast", False),
            sample_size=sample_sizes(fields, 32, maximum=16384)[0],
            latents_mean=mean,
            latents_std=std,
        )

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        levels = len(self.block_out_channels)
        own = {"latents_mean": self.latents_mean, "latents_std": self.latents_std}
        return {
            **{key: list(value) for key, value in own.items() if value is not None},
            "act_fn": "silu",
            "block_out_channels": list(self.block_out_channels),
            "down_block_types": [*[DOWN_TYPE] * levels],
            "force_upcast": self.force_upcast,
            "in_channels": self.in_channels,
            "latent_channels": self.latent_channels,
            "layers_per_block": self.layers_per_block,
            "norm_num_groups": self.norm_num_groups,
            "out_channels": self.out_channels,
            "sample_size": self.sample_size,
            "scaling_factor": self.scaling_factor,
            "up_block_types": [*[UP_TYPE] * levels],
        }


def _statistics(fields: Fields) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    """The mean and the deviation of each channel; None for both where they change nothing.

    Raises:
        CheckpointError: They are no numbers for each channel, or a deviation is not above 0.
    """
    channels = fields.integer("latent_channels", 4, maximum=256)
    found: list[tuple[float, ...]] = []
    for key, plain in STATISTICS.items():
        values = (plain,) * channels
        if fields.has(key):
            values = fields.numbers(key, length=channels)
        lowest = 0 if key == "latents_std" else -_LARGEST
        if not all(lowest < value < _LARGEST for value in values):
            raise CheckpointError(
                f"{fields.where}: {key!r} is {shown(fields.json[key])}; it must be numbers from "
                f"{lowest:g} to {_LARGEST:g}."
            )
        found.append(values)
    mean, std = found
    return (None, None) if not any(mean) and set(std) == {1.0} else (mean, std)
