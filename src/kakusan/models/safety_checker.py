"""The safety checker: CLIP's view of a picture, compared with concepts that must not be shown."""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kakusan.errors import RequestError
from kakusan.models.model import Model
from kakusan.models.names import replace_prefix
from kakusan.models.safety_checker_config import SafetyCheckerConfig
from kakusan.models.vision_tower import VisionTower

NUM_CONCEPTS = 17
NUM_SPECIAL_CONCEPTS = 3
# How much stricter all concepts are judged once a special one is seen.
SPECIAL_ADJUSTMENT = 0.01

Array: TypeAlias = npt.NDArray[np.float32]


class StableDiffusionSafetyChecker(Model[SafetyCheckerConfig]):
    """Finds pictures that must not be shown. arXiv:2210.04610 describes the published one."""

    config_class = SafetyCheckerConfig
    weights_stem = "model"
    ignored = frozenset({"position_ids"})  # old files hold the numbers of the positions

    def __init__(self, config: SafetyCheckerConfig) -> None:
        super().__init__(config)
        width = config.projection_dim
        self.vision_model = VisionTower(config)
        self.visual_projection = nn.Linear(config.hidden_size, width, bias=False)
        self.concept_embeds = _constant(NUM_CONCEPTS, width)
        self.special_care_embeds = _constant(NUM_SPECIAL_CONCEPTS, width)
        self.concept_embeds_weights = _constant(NUM_CONCEPTS)
        self.special_care_embeds_weights = _constant(NUM_SPECIAL_CONCEPTS)

    @torch.no_grad()
    def forward(
        self, images: Tensor | Sequence[Tensor | Array], clip_input: Tensor
    ) -> tuple[Tensor | list[Tensor | Array], list[bool]]:
        """Judge pictures and black out those that must not be shown.

        Args:
            images: the pictures, of whatever size; a flagged one is replaced by zeros.
            clip_input: the same pictures after `CLIPImageProcessor`, shape (batch, 3, size, size).

        Returns:
            The pictures, as a batch if they came as one, and which of them were flagged.

        Raises:
            RequestError: `clip_input` has another size than it looks at.
        """
        self.prepare()
        side = self.config.image_size
        if tuple(clip_input.shape[1:]) != (3, side, side):
            raise RequestError(
                f"the safety checker looks at pictures of shape (3, {side}, {side}) and was given "
                f"{tuple(clip_input.shape[1:])}; crop_size of feature_extractor must be {side}"
            )
        seen = self.visual_projection(self.vision_model(clip_input.to(self.compute_dtype)).pooled)
        flags = self._flags(seen)
        if isinstance(images, Tensor):
            flagged = torch.tensor(flags, device=images.device)[:, None, None, None]
            return images.masked_fill(flagged, 0), flags
        pairs = zip(images, flags, strict=True)
        return [image * 0 if flag else image for image, flag in pairs], flags

    def _flags(self, seen: Tensor) -> list[bool]:
        """Whether any concept is nearer than its threshold, shape of `seen` (batch, width)."""
        special = _similarity(seen, self.special_care_embeds) - self.special_care_embeds_weights
        adjustment = SPECIAL_ADJUSTMENT * _positive(special).any(dim=1, keepdim=True)
        scores = _similarity(seen, self.concept_embeds) - self.concept_embeds_weights + adjustment
        return _positive(scores).any(dim=1).tolist()

    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Published files nest the tower twice."""
        return replace_prefix(tensors, "vision_model.vision_model.", "vision_model.")

    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Nest the tower twice, as published."""
        return replace_prefix(tensors, "vision_model.", "vision_model.vision_model.")


def _constant(*shape: int) -> nn.Parameter:
    return nn.Parameter(torch.ones(shape), requires_grad=False)


def _similarity(seen: Tensor, concepts: Tensor) -> Tensor:
    """Cosines, in float32 whatever the weights are, shape (batch, concepts)."""
    return F.normalize(seen.float()) @ F.normalize(concepts.float()).T


def _positive(scores: Tensor) -> Tensor:
    """The published thresholds were chosen for scores of three decimals."""
    return torch.round(scores, decimals=3) > 0
