"""The shape of a CLIP text encoder, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError
from kakusan.models.layers.clip import ACTIVATIONS
from kakusan.models.published import tower_fields
from kakusan.models.published_mapping import PublishedMapping

MAX_TOKENS = 2_000_000
MODEL_TYPES = ("clip", "clip_text_model")


@dataclass(frozen=True, kw_only=True)
class TextEncoderConfig(PublishedMapping):
    """The shape of a CLIP text encoder; the defaults are Stable Diffusion 1.x.

    Attributes:
        vocab_size: tokens that it knows.
        hidden_size: width of the text embeddings.
        intermediate_size: width inside the pointwise networks.
        num_hidden_layers: layers.
        num_attention_heads: attention heads of each layer.
        max_position_embeddings: tokens of the longest text.
        hidden_act: `quick_gelu` (OpenAI's) or `gelu` (OpenCLIP's).
        layer_norm_eps: epsilon of the normalisations.
        projection_dim: width of CLIP's shared space, into which SDXL's second encoder projects.
        eos_token_id: the token whose state is the pooled output. 2 is what old files say; with it
            the largest token id of a text is taken, which in CLIP's vocabulary is the end.
        bos_token_id: the token that begins a text.
        pad_token_id: the token that fills a text up.
    """

    # the class that files of it name
    architecture: ClassVar[str] = "CLIPTextModel"

    vocab_size: int = 49408
    hidden_size: int = 768
    intermediate_size: int = 3072
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    max_position_embeddings: int = 77
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    projection_dim: int = 768
    eos_token_id: int = 49407
    bos_token_id: int = 49406
    pad_token_id: int = 1

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise CheckpointError(
                f"TextEncoderConfig: hidden_size {self.hidden_size} must be a multiple of "
                f"num_attention_heads {self.num_attention_heads}."
            )
        if self.hidden_act not in ACTIVATIONS:
            raise CheckpointError(
                f"TextEncoderConfig: hidden_act is {self.hidden_act!r}; it must be one of "
                f"{', '.join(ACTIVATIONS)}."
            )

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read the config of a text encoder, or of a whole CLIP, which nests it.

        Raises:
            CheckpointError: A value is absurd or asks for what this encoder does not have.
        """
        fields = Fields(tower_fields(published, "text_config"), where)
        fields.choice("model_type", "clip", MODEL_TYPES)
        return cls(
            vocab_size=fields.integer("vocab_size", 49408, maximum=MAX_TOKENS),
            hidden_size=fields.integer("hidden_size", 512, maximum=16384),
            intermediate_size=fields.integer("intermediate_size", 2048, maximum=65536),
            num_hidden_layers=fields.integer("num_hidden_layers", 12, maximum=256),
            num_attention_heads=fields.integer("num_attention_heads", 8, maximum=1024),
            max_position_embeddings=fields.integer("max_position_embeddings", 77, maximum=65536),
            hidden_act=fields.choice("hidden_act", "quick_gelu", tuple(ACTIVATIONS)),
            layer_norm_eps=fields.number("layer_norm_eps", 1e-5, minimum=0.0, maximum=1.0),
            projection_dim=fields.integer("projection_dim", 512, maximum=16384),
            eos_token_id=fields.integer("eos_token_id", 49407, minimum=0, maximum=MAX_TOKENS),
            bos_token_id=fields.integer("bos_token_id", 49406, minimum=0, maximum=MAX_TOKENS),
            pad_token_id=fields.integer("pad_token_id", 1, minimum=0, maximum=MAX_TOKENS),
        )

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        return {
            "architectures": [self.architecture],
            "attention_dropout": 0.0,
            "bos_token_id": self.bos_token_id,
            "eos_token_id": self.eos_token_id,
            "hidden_act": self.hidden_act,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "layer_norm_eps": self.layer_norm_eps,
            "max_position_embeddings": self.max_position_embeddings,
            "model_type": "clip_text_model",
            "num_attention_heads": self.num_attention_heads,
            "num_hidden_layers": self.num_hidden_layers,
            "pad_token_id": self.pad_token_id,
            "projection_dim": self.projection_dim,
            "vocab_size": self.vocab_size,
        }


@dataclass(frozen=True, kw_only=True)
class ProjectedTextConfig(TextEncoderConfig):
    """The same of an encoder that projects whole texts too."""

    architecture = "CLIPTextModelWithProjection"
