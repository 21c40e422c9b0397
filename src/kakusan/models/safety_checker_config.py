"""The shape of the safety checker, and how published configs spell it."""

from dataclasses import dataclass

from kakusan.checkpoints.files import JSON
from kakusan.models.vision_config import VisionConfig


@dataclass(frozen=True, kw_only=True)
class SafetyCheckerConfig(VisionConfig):
    """The shape of the safety checker; the defaults are the one of Stable Diffusion 1.x."""

    def to_published(self) -> dict[str, JSON]:
        """The published JSON that `from_published` reads as this config."""
        return {
            "architectures": ["StableDiffusionSafetyChecker"],
            "model_type": "clip",
            "projection_dim": self.projection_dim,
            "vision_config": super().to_published(),
        }
