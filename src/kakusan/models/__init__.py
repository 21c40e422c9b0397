"""The networks: UNet, VAE, CLIP's encoders, safety checker, and what steers."""

from kakusan.later import missing_name
from kakusan.models.autoencoder import Autoencoder, DecoderOutput
from kakusan.models.autoencoder_tiny import AutoencoderTiny, TinyEncoderOutput
from kakusan.models.autoencoder_tiny_config import TinyConfig
from kakusan.models.autoencoder_tiny_files import is_tiny
from kakusan.models.compiled import within
from kakusan.models.conditioning import Conditioning, UNetCall
from kakusan.models.control.config import ControlNetConfig
from kakusan.models.control.controlnet import ControlNetModel, ControlNetOutput, Steerer, guessing
from kakusan.models.control.question import Control
from kakusan.models.control.several import MultiAdapter, MultiControlNetModel
from kakusan.models.control.t2i_adapter import T2IAdapter
from kakusan.models.control.t2i_adapter_config import T2IAdapterConfig
from kakusan.models.control.union import ControlNetUnionModel
from kakusan.models.control.union_config import ControlUnionConfig
from kakusan.models.gaussian import DiagonalGaussian
from kakusan.models.image_encoder import (
    CLIPVisionModelWithProjection,
    ImageEncoderConfig,
    ProjectedVisionOutput,
)
from kakusan.models.image_processor import CLIPImageProcessor
from kakusan.models.image_processor_config import ImageProcessorConfig
from kakusan.models.image_projection import ImageProjection
from kakusan.models.image_tokens import ImageLayers, ImageTokens
from kakusan.models.ip_adapter import IPAdapter, ip_adapter_for
from kakusan.models.layers.attention import TextContext
from kakusan.models.layers.time_embedding import guidance_embedding
from kakusan.models.learnt import LearntTokens
from kakusan.models.model import Model
from kakusan.models.safety_checker import StableDiffusionSafetyChecker
from kakusan.models.safety_checker_config import SafetyCheckerConfig
from kakusan.models.text_encoder import (
    CLIPTextModel,
    CLIPTextModelWithProjection,
    ProjectedTextOutput,
    TextEncoderOutput,
)
from kakusan.models.text_encoder_config import TextEncoderConfig
from kakusan.models.unet import (
    AddedConditioning,
    DeepFeature,
    FreeU,
    Residuals,
    UNet2DConditionModel,
    UNetConfig,
    UNetOutput,
)
from kakusan.models.vae import AutoencoderKL, EncoderOutput
from kakusan.models.vae_config import VAEConfig
from kakusan.models.worn import AdapterSet, Worn, acting

__all__ = [
    "AdapterSet",
    "AddedConditioning",
    "Autoencoder",
    "AutoencoderKL",
    "AutoencoderTiny",
    "CLIPImageProcessor",
    "CLIPTextModel",
    "CLIPTextModelWithProjection",
    "CLIPVisionModelWithProjection",
    "Conditioning",
    "Control",
    "ControlNetConfig",
    "ControlNetModel",
    "ControlNetOutput",
    "ControlNetUnionModel",
    "ControlUnionConfig",
    "DecoderOutput",
    "DeepFeature",
    "DiagonalGaussian",
    "EncoderOutput",
    "FreeU",
    "IPAdapter",
    "ImageEncoderConfig",
    "ImageLayers",
    "ImageProcessorConfig",
    "ImageProjection",
    "ImageTokens",
    "LearntTokens",
    "Model",
    "MultiAdapter",
    "MultiControlNetModel",
    "ProjectedTextOutput",
    "ProjectedVisionOutput",
    "Residuals",
    "SafetyCheckerConfig",
    "StableDiffusionSafetyChecker",
    "Steerer",
    "T2IAdapter",
    "T2IAdapterConfig",
    "TextContext",
    "TextEncoderConfig",
    "TextEncoderOutput",
    "TinyConfig",
    "TinyEncoderOutput",
    "UNet2DConditionModel",
    "UNetCall",
    "UNetConfig",
    "UNetOutput",
    "VAEConfig",
    "Worn",
    "acting",
    "guessing",
    "guidance_embedding",
    "ip_adapter_for",
    "is_tiny",
    "within",
]


def __getattr__(name: str) -> object:
    raise missing_name("kakusan.models", name, __all__)
