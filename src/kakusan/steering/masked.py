"""Which calls draw a part of a picture anew, and which models are made for it."""

from kakusan.engine import Engine
from kakusan.inputs import Inputs
from kakusan.request import Request


def repaints(takes: int, latent_channels: int) -> bool:
    """Whether a UNet that takes so many channels sees mask and picture beside its latents."""
    return takes == 2 * latent_channels + 1


def is_repainter(engine: Engine) -> bool:
    """Whether the model of an engine is one of these."""
    config = engine.unet.config
    return repaints(config.in_channels, config.out_channels)


def is_masked(request: Request, inputs: Inputs) -> bool:
    """Whether a part of pictures is drawn anew, and the rest stays."""
    return inputs.mask is not None or request.mask is not None or request.outpaint is not None
