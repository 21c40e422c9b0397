"""The shape of CLIP's picture tower, and how published configs spell it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from kakusan.checkpoints.fields import Fields
from kakusan.checkpoints.files import JSON
from kakusan.errors import CheckpointError
from kakusan.models.layers.clip import ACTIVATIONS
from kakusan.models.published import tower_fields
from kakusan.models.published_mapping import PublishedMapping


@dataclass(frozen=True, kw_only=True)
class VisionConfig(PublishedMapping):
    """The shape of a picture tower; the defaults are the one of Stable Diffusion 1.x's checker.

    Attributes:
        image_size: height and width of what it looks at, in pixels.
        patch_size: height and width of a patch, which becomes one token.
        hidden_size: width of the tokens.
        intermediate_size: width inside the pointwise networks.
        num_hidden_layers: layers.
        num_attention_heads: attention heads of each layer.
        hidden_act: `quick_gelu` or `gelu`.
        layer_norm_eps: epsilon of the normalisations.
        projection_dim: width of CLIP's shared space, in which pictures and texts are compared.
    """

    image_size: int = 224
    patch_size: int = 14
    hidden_size: int = 1024
    intermediate_size: int = 4096
    num_hidden_layers: int = 24
    num_attention_heads: int = 16
    hidden_act: str = "quick_gelu"
    layer_norm_eps: float = 1e-5
    projection_dim: int = 768

    def __post_init__(self) -> None:
        name = type(self).__name__
        if self.hidden_size % self.num_attention_heads:
            raise CheckpointError(
                f"{name}: hidden_size {self.hidden_size} must be a multiple of "
                f"num_attention_heads {self.num_attention_heads}."
            )
        if self.patch_size > self.image_size:
            raise CheckpointError(
                f"{name}: patch_size {self.patch_size} must not exceed "
                f"image_size {self.image_size}."
            )

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = "config.json") -> Self:
        """Read a tower's config, or a whole CLIP's, of which the picture tower counts.

        Raises:
            CheckpointError: A value is absurd or asks for what this network does not have.
        """
        fields = Fields(tower_fields(published, "vision_config"), where)
        fields.integer("num_channels", 3, minimum=3, maximum=3)
        return cls(
            image_size=fields.integer("image_size", 224, maximum=4096),
            patch_size=fields.integer("patch_size", 32, maximum=4096),
            hidden_size=fields.integer("hidden_size", 768, maximum=16384),
            intermediate_size=fields.integer("intermediate_size", 3072, maximum=65536),
            num_hidden_layers=fields.integer("num_hidden_layers", 12, maximum=256),
            num_attention_heads=fields.integer("num_attention_heads", 12, maximum=1024),
            hidden_act=fields.choice("hidden_act", "quick_gelu", tuple(ACTIVATIONS)),
            layer_norm_eps=fields.number("layer_norm_eps", 1e-5, minimum=0.0, maximum=1.0),
            projection_dim=cls._projection_dim(Fields(published, where), fields),
        )

    @classmethod
    def _projection_dim(cls, outer: Fields, tower: Fields) -> int:
        """What a whole CLIP says of both its towers; it counts more than what one says itself."""
        of = outer if "projection_dim" in outer.json else tower
        return of.integer("projection_dim", 512, maximum=16384)

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        return {
            "hidden_act": self.hidden_act,
            "hidden_size": self.hidden_size,
            "image_size": self.image_size,
            "intermediate_size": self.intermediate_size,
            "layer_norm_eps": self.layer_norm_eps,
            "model_type": "clip_vision_model",
            "num_attention_heads": self.num_attention_heads,
            "num_channels": 3,
            "num_hidden_layers": self.num_hidden_layers,
            "patch_size": self.patch_size,
            "projection_dim": self.projection_dim,
        }
