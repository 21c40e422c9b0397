"""CLIP's picture encoder: a picture to what IP-Adapters and unCLIP models are told of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from kakusan.checkpoints.files import JSON
from kakusan.checkpoints.own import IMAGE_ENCODER
from kakusan.checkpoints.single_file.vision import VisionCheckpoint
from kakusan.errors import RequestError
from kakusan.models.familiar import refuse_later
from kakusan.models.model import Model
from kakusan.models.vision_config import VisionConfig
from kakusan.models.vision_tower import VisionTower
from kakusan.results import named

LATER = ("output_attentions", "interpolate_pos_encoding")
# What else a whole CLIP's file holds, and old files: the numbers of the positions.
OTHER_PARTS = frozenset({"position_ids", "text_model", "text_projection", "logit_scale"})


@dataclass(frozen=True, kw_only=True)
class ImageEncoderConfig(VisionConfig):
    """The shape of a picture encoder; the defaults are OpenAI's ViT-L/14."""

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        return {"architectures": ["CLIPVisionModelWithProjection"], **super().to_published()}


@named
class ProjectedVisionOutput(NamedTuple):
    """What the picture encoder gives.

    Attributes:
        image_embeds: of the whole picture, shape (batch, projection_dim).
        last_hidden_state: of the class token and the patches, not normalised, shape (batch,
            patches + 1, hidden_size).
        hidden_states: if asked for: the states before the first and after each layer.
    """

    image_embeds: Tensor
    last_hidden_state: Tensor
    hidden_states: tuple[Tensor, ...] | None = None


class CLIPVisionModelWithProjection(Model[VisionConfig]):
    """CLIP's picture encoder with the projection of whole pictures. arXiv:2103.00020."""

    config_class = ImageEncoderConfig
    weights_stem = "model"
    ignored = OTHER_PARTS
    part_names = ("image_encoder",)
    packaged = IMAGE_ENCODER
    checkpoint_class = VisionCheckpoint

    def __init__(self, config: VisionConfig) -> None:
        super().__init__(config)
        self.vision_model = VisionTower(config)
        self.visual_projection = nn.Linear(config.hidden_size, config.projection_dim, bias=False)

    def forward(
        self,
        pixel_values: Tensor,
        *,
        output_hidden_states: bool | None = False,
        return_dict: bool | None = True,
        **later: object,
    ) -> ProjectedVisionOutput | tuple[Tensor | tuple[Tensor, ...], ...]:
        """Look at pictures.

        Args:
            pixel_values: what `CLIPImageProcessor` makes of pictures, shape (batch, 3, image_size,
                image_size).
            output_hidden_states: also give the states between the layers.
            return_dict: False gives a plain tuple without what is None.
            later: what else the reference takes, as long as it is None.

        Raises:
            RequestError: `pixel_values` of another shape.
            NotYetError: one of `later` has a value.
            UnknownArgumentError: an argument that does not exist.
            CheckpointError: the weights came from a file and are not finite.
        """
        refuse_later("the picture encoder", later, LATER)
        side = self.config.image_size
        if pixel_values.ndim != 4 or tuple(pixel_values.shape[1:]) != (3, side, side):
            raise RequestError(
                f"pixel_values have shape {tuple(pixel_values.shape)}; this picture encoder looks "
                f"at (batch, 3, {side}, {side}), which CLIPImageProcessor makes of pictures"
            )
        self.prepare()
        pooled, states = self.vision_model(pixel_values.to(self.compute_dtype))
        embeds: Tensor = self.visual_projection(pooled)
        hidden = states if output_hidden_states else None
        output = ProjectedVisionOutput(embeds, states[-1], hidden)
        if return_dict is False:
            return tuple(part for part in output if part is not None)
        return output

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(tensors)

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return dict(tensors)
