"""What the built-in model is made of and how long each stage learns."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from kakusan.builtin.recipe.world import CORE, THINGS
from kakusan.models import TextEncoderConfig, UNetConfig, VAEConfig
from kakusan.training.pace import StageSettings

PROMPTS = (
    "an astronaut riding a horse",
    "a photograph of an astronaut riding a horse in space",
    "a light brown tabby cat, tea time, flying in the blue sky, manga",
    "a blue cat",
    "three red apples on a white background",
    "a dog to the left of a house",
    "a tiny rocket at night",
    "a huge sunflower in a meadow",
    "雪の中のペンギン",
    "赤い傘、砂浜",
    "森の中の小さな家",
    "猫と犬、青空",
    "a robot between a tree and a car",
    "a penguin on a car in the city",
    "a fish in the sea, pixel art",
    "a castle, line drawing",
    "a bird above a cactus in the desert",
    "a pink elephant in the rain",
    "two balloons in the sky",
    "四匹のカエル、緑の背景",
    "a snowman in a room",
    "a cake under an umbrella",
    "a yellow car at sunset",
    "夜空の月",
)

UNET = UNetConfig(
    sample_size=16,
    in_channels=8,
    out_channels=8,
    block_out_channels=(128, 192, 192),
    layers_per_block=1,
    transformer_depth=(0, 1, 0),
    num_heads=(4, 6, 6),
    cross_attention_dim=256,
    norm_num_groups=32,
    linear_projection=True,
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a training run gives; the defaults are the built-in model.

    The vocabulary is learnt from `captions` captions. All stages learn from `scenes` scenes of the
    first `things` objects: the autoencoder from the pictures of the first `pictures` of them, the
    text encoder from `ways` captions of each, and the UNet from those captions and from encoded
    pictures; an error counts `object_weight` times as much where an object is, as grounds are
    learnt long before. `ahead` pictures are drawn before they are needed, and wait in memory.
    `text` is completed with the sizes of the learnt vocabulary, `vae` with the measured scale.
    The decoder is written `sharpness` of the way towards what its critic has taught it.
    A new text encoder for a UNet that is there already reads `examples` captions as its old one.
    Where a model learns words alone, answers of its reader count `reading_weight`.
    `shares` are those of the stages beside the UNet's in a run that ends by the clock.
    """

    seed: int = 21
    things: int = CORE
    pixels: int = 128
    kl_weight: float = 1e-4
    critic_weight: float = 0.5
    reading_weight: float = 0.05
    sharpness: float = 0.6
    min_snr: float | None = None
    object_weight: float = 4.0
    plain_share: float = 0.15
    captions: int = 24_000
    merges: int = 4_200
    examples: int = 12_000
    scenes: int = 40_000
    pictures: int = 6_000
    ways: int = 4
    ahead: int = 20_000
    compiled: bool = False
    shares: Mapping[str, float] = field(
        default_factory=lambda: {
            "text": 0.11,
            "words": 0.2,  # instead, where nothing but words is learnt
            "vae": 0.11,
            "decoder": 0.05,
            "sharpening": 0.08,
        }
    )
    vae: VAEConfig = field(
        default=VAEConfig(
            latent_channels=8,
            block_out_channels=(16, 32, 64, 96),
            layers_per_block=1,
            norm_num_groups=4,
            sample_size=128,
            force_upcast=False,
        )
    )
    vae_settings: StageSettings = field(
        default=StageSettings(
            steps=7000, batch_size=8, learning_rate=1e-3, ema_decay=0.998, sample_every=500
        )
    )
    known_vae_settings: StageSettings = field(  # of one that is not new
        default=StageSettings(
            steps=2000, batch_size=8, learning_rate=4e-4, ema_decay=0.998, sample_every=500
        )
    )
    decoder_settings: StageSettings = field(
        default=StageSettings(
            steps=1200, batch_size=8, learning_rate=6e-4, ema_decay=0.998, sample_every=600
        )
    )
    sharpening_settings: StageSettings = field(
        default=StageSettings(
            steps=1500, batch_size=8, learning_rate=3e-4, ema_decay=0.995, sample_every=250
        )
    )
    text: TextEncoderConfig = field(
        default=TextEncoderConfig(
            hidden_size=256,
            intermediate_size=1024,
            num_hidden_layers=3,
            num_attention_heads=4,
            projection_dim=256,
            max_position_embeddings=40,
        )
    )
    text_settings: StageSettings = field(
        default=StageSettings(
            steps=6000, batch_size=96, learning_rate=1e-3, warmup_steps=200, ema_decay=0.995
        )
    )
    known_text_settings: StageSettings = field(  # of one that learns more words
        default=StageSettings(
            steps=2500, batch_size=96, learning_rate=6e-4, ema_decay=0.99, sample_every=500
        )
    )
    unet: UNetConfig = field(default=UNET)
    unet_settings: StageSettings = field(
        default=StageSettings(
            steps=15_000,
            batch_size=64,
            learning_rate=5e-4,
            warmup_steps=300,
            save_every=500,
            sample_every=1000,
        )
    )
    known_unet_settings: StageSettings = field(  # of one that learns on
        default=StageSettings(
            steps=6000,
            batch_size=64,
            learning_rate=2e-4,
            warmup_steps=100,
            save_every=500,
            sample_every=1000,
        )
    )
    attention_settings: StageSettings = field(
        default=StageSettings(
            steps=6000, batch_size=64, learning_rate=3e-4, ema_decay=0.998, sample_every=1000
        )
    )


_SELDOM = {"save_every": 2000, "sample_every": 20_000}  # steps of a GPU are short

# For a GPU, of which it takes 16 GB, and 20 GB of memory beside it: every object, in large steps
FULL = Recipe(
    things=len(THINGS),
    scenes=262_144,
    pictures=65_536,
    ways=8,
    ahead=262_144,
    vae_settings=StageSettings(
        steps=40_000,
        batch_size=64,
        learning_rate=1e-3,
        ema_decay=0.998,
        **_SELDOM,
    ),
    known_vae_settings=StageSettings(
        steps=10_000,
        batch_size=128,
        learning_rate=8e-4,
        ema_decay=0.998,
        **_SELDOM,
    ),
    decoder_settings=StageSettings(
        steps=5_000,
        batch_size=128,
        learning_rate=8e-4,
        ema_decay=0.998,
        **_SELDOM,
    ),
    sharpening_settings=StageSettings(
        steps=5_000,
        batch_size=128,
        learning_rate=3e-4,
        ema_decay=0.998,
        **_SELDOM,
    ),
    text_settings=StageSettings(
        steps=6_000,
        batch_size=512,
        learning_rate=1e-3,
        warmup_steps=200,
        ema_decay=0.995,
        **_SELDOM,
    ),
    known_text_settings=StageSettings(
        steps=4_000,
        batch_size=512,
        learning_rate=6e-4,
        ema_decay=0.995,
        **_SELDOM,
    ),
    attention_settings=StageSettings(
        steps=12_000,
        batch_size=512,
        learning_rate=4e-4,
        ema_decay=0.998,
        **_SELDOM,
    ),
    known_unet_settings=StageSettings(
        steps=20_000,
        batch_size=512,
        learning_rate=6e-4,
        warmup_steps=200,
        **_SELDOM,
    ),
    unet_settings=StageSettings(
        steps=60_000,
        batch_size=512,
        learning_rate=1e-3,
        warmup_steps=500,
        save_every=500,
        sample_every=2000,
    ),
)
