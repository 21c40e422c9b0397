"""The model that others are taught beside."""

from pathlib import Path
from typing import NamedTuple, Self

from kakusan.builtin.recipe.build import frozen
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.device import best_device
from kakusan.text import CLIPTokenizer


class Taught(NamedTuple):
    """The parts of a model that has learnt, in float32 on the best device.

    VAE and text encoder learn no more; what becomes of the UNet is the reader's to say.
    """

    vae: AutoencoderKL
    unet: UNet2DConditionModel
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer

    @classmethod
    def of(cls, model: Path) -> Self:
        """Those in the folder of the built-in model, or of one that its recipe made."""
        device = best_device()
        return cls(
            frozen(AutoencoderKL.from_pretrained(model / "vae").float().to(device)),
            UNet2DConditionModel.from_pretrained(model / "unet").float().to(device),
            frozen(CLIPTextModel.from_pretrained(model / "text_encoder").float().to(device)),
            CLIPTokenizer.from_pretrained(model, subfolder="tokenizer"),
        )
