"""The UNet of Stable Diffusion 1, 2 and XL, what it is told, and what others add to it."""

from kakusan.models.unet.config import UNetConfig
from kakusan.models.unet.deep_feature import DeepFeature
from kakusan.models.unet.freeu import FreeU
from kakusan.models.unet.inputs import AddedConditioning
from kakusan.models.unet.network import UNet2DConditionModel, UNetOutput
from kakusan.models.unet.residuals import Residuals

__all__ = [
    "AddedConditioning",
    "DeepFeature",
    "FreeU",
    "Residuals",
    "UNet2DConditionModel",
    "UNetConfig",
    "UNetOutput",
]
