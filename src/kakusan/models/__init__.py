"""The networks: UNet, VAE, text encoder and safety checker."""

from kakusan.models.text_encoder import CLIPTextModel, TextEncoderOutput
from kakusan.models.text_encoder_config import TextEncoderConfig
from kakusan.models.unet import AddedConditioning, UNet2DConditionModel, UNetOutput
from kakusan.models.unet_config import UNetConfig
from kakusan.models.vae import AutoencoderKL, DecoderOutput, EncoderOutput
from kakusan.models.vae_config import VAEConfig

__all__ = [
    "AddedConditioning",
    "AutoencoderKL",
    "CLIPTextModel",
    "DecoderOutput",
    "EncoderOutput",
    "TextEncoderConfig",
    "TextEncoderOutput",
    "UNet2DConditionModel",
    "UNetConfig",
    "UNetOutput",
    "VAEConfig",
]
