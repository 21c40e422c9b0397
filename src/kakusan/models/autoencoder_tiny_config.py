"""The shape of a tiny autoencoder, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError
from kakusan.models.published import OF_AVERAGES, check_implemented, check_known, evenly
from kakusan.models.published_mapping import PublishedMapping

CLASS_NAME = "AutoencoderTiny"
MAX_CHANNELS = 4096
MAX_BLOCKS = 64
MAX_LEVELS = 8
IMPLEMENTED: dict[str, list[JSON]] = {
    "act_fn": ["relu"],
    "shift_factor": [0],
    "upsample_fn": ["nearest"],
    "upsampling_scaling_factor": [2],
}
FIXED = {key: allowed[0] for key, allowed in IMPLEMENTED.items()}
READ = {
    "decoder_block_out_channels",
    "encoder_block_out_channels",
    "force_upcast",
    "in_channels",
    "latent_channels",
    "latent_magnitude",
    "latent_shift",
    "num_decoder_blocks",
    "num_encoder_blocks",
    "out_channels",
    "scaling_factor",
}
# The reference writes the decoder's channels a second time
WITHOUT_EFFECT = {"block_out_channels"} | OF_AVERAGES


@dataclass(frozen=True, kw_only=True)
class TinyConfig(PublishedMapping):
    """The shape of a tiny autoencoder; the defaults are TAESD and TAESDXL.

    Attributes:
        in_channels: channels of a picture.
        out_channels: channels of a decoded picture.
        latent_channels: channels of the latents.
        encoder_width: channels of every layer of the encoder.
        decoder_width: channels of every layer of the decoder.
        encoder_blocks: blocks of each encoder level, the finest first.
        decoder_blocks: blocks of each decoder level, the coarsest first.
        latent_magnitude: half of the range of latents that 8 bits hold.
        latent_shift: where 0 is in that range, from 0 to 1.
        scaling_factor: what its latents are multiplied with to be those of the UNet, which they are
            as a rule.
        force_upcast: whether weights stored in float16 compute in float32.
    """

    fixed = FIXED

    in_channels: int = 3
    out_channels: int = 3
    latent_channels: int = 4
    encoder_width: int = 64
    decoder_width: int = 64
    encoder_blocks: tuple[int, ...] = (1, 3, 3, 3)
    decoder_blocks: tuple[int, ...] = (3, 3, 3, 1)
    latent_magnitude: float = 3.0
    latent_shift: float = 0.5
    scaling_factor: float = 1.0
    force_upcast: bool = False

    def __post_init__(self) -> None:
        levels = len(self.encoder_blocks), len(self.decoder_blocks)
        if levels[0] != levels[1] or not 1 <= levels[0] <= MAX_LEVELS:
            raise CheckpointError(
                f"TinyConfig: the encoder has {levels[0]} levels and the decoder {levels[1]}; they "
                f"must be as many, 1 to {MAX_LEVELS}."
            )

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read a published config; `where` names the file in messages.

        Raises:
            CheckpointError: A value is absurd or asks for what this network does not have.
        """
        fields = Fields(published, where)
        fields.choice("_class_name", CLASS_NAME, (CLASS_NAME,))
        check_implemented(published, where, IMPLEMENTED)
        check_known(published, where, READ | WITHOUT_EFFECT | IMPLEMENTED.keys())
        blocks = {
            half: fields.integers(f"num_{half}_blocks", default, minimum=0, maximum=MAX_BLOCKS)
            for half, default in (("encoder", (1, 3, 3, 3)), ("decoder", (3, 3, 3, 1)))
        }
        return cls(
            in_channels=fields.integer("in_channels", 3, maximum=64),
            out_channels=fields.integer("out_channels", 3, maximum=64),
            latent_channels=fields.integer("latent_channels", 4, maximum=256),
            encoder_width=evenly(fields, "encoder_block_out_channels", 64, maximum=MAX_CHANNELS),
            decoder_width=evenly(fields, "decoder_block_out_channels", 64, maximum=MAX_CHANNELS),
            encoder_blocks=blocks["encoder"],
            decoder_blocks=blocks["decoder"],
            latent_magnitude=fields.number("latent_magnitude", 3, minimum=1e-6, maximum=1e6),
            latent_shift=fields.number("latent_shift", 0.5, minimum=-1e6, maximum=1e6),
            scaling_factor=fields.number("scaling_factor", 1.0, minimum=1e-6, maximum=1e6),
            force_upcast=fields.boolean("force_upcast", False),
        )

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        decoder: list[JSON] = [self.decoder_width] * len(self.decoder_blocks)
        encoder: list[JSON] = [self.encoder_width] * len(self.encoder_blocks)
        return {
            "act_fn": "relu",
            "block_out_channels": decoder,
            "decoder_block_out_channels": decoder,
            "encoder_block_out_channels": encoder,
            "force_upcast": self.force_upcast,
            "in_channels": self.in_channels,
            "latent_channels": self.latent_channels,
            "latent_magnitude": self.latent_magnitude,
            "latent_shift": self.latent_shift,
            "num_decoder_blocks": list(self.decoder_blocks),
            "num_encoder_blocks": list(self.encoder_blocks),
            "out_channels": self.out_channels,
            "scaling_factor": self.scaling_factor,
            "upsampling_scaling_factor": 2,
        }
