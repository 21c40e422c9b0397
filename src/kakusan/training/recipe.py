"""What the built-in model is made of and how long each stage learns."""

from dataclasses import dataclass, field

from kakusan.models import TextEncoderConfig, UNetConfig, VAEConfig
from kakusan.training.trainer import StageSettings


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run gives; the defaults are the built-in model.

    The vocabulary is learnt from `captions` captions, the UNet from `scenes` encoded scenes.
    `text` is completed with the sizes of the learnt vocabulary, `vae` with the measured scale.
    """

    seed: int = 20
    pixels: int = 64
    kl_weight: float = 1e-4
    captions: int = 20_000
    scenes: int = 24_576
    vae: VAEConfig = field(
        default=VAEConfig(
            latent_channels=8,
            block_out_channels=(16, 32, 64, 96),
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=64,
            force_upcast=False,
        )
    )
    vae_settings: StageSettings = field(
        default=StageSettings(
            steps=4000, batch_size=8, learning_rate=1e-3, ema_decay=0.998, sample_every=250
        )
    )
    decoder_settings: StageSettings = field(
        default=StageSettings(
            steps=2400, batch_size=8, learning_rate=1e-3, ema_decay=0.998, sample_every=500
        )
    )
    text: TextEncoderConfig = field(
        default=TextEncoderConfig(
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=128,
        )
    )
    unet: UNetConfig = field(
        default=UNetConfig(
            sample_size=8,
            in_channels=8,
            out_channels=8,
            block_out_channels=(128, 192),
            layers_per_block=1,
            transformer_depth=(1, 0),
            num_heads=(4, 4),
            cross_attention_dim=128,
            norm_num_groups=32,
            linear_projection=True,
        )
    )
    unet_settings: StageSettings = field(
        default=StageSettings(
            steps=2000,
            decay_steps=4500,
            batch_size=32,
            learning_rate=8e-4,
            warmup_steps=200,
            sample_every=750,
        )
    )
    focus_variety: float = 0.35
    focus_settings: StageSettings = field(
        default=StageSettings(
            steps=2000,
            batch_size=32,
            learning_rate=6e-4,
            warmup_steps=50,
            ema_decay=0.998,
            sample_every=1000,
        )
    )
