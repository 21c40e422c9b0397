"""The model that others are taught beside, and what they learn from."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from kakusan.builtin.recipe.diffusion import Pictures, encode_pictures
from kakusan.builtin.recipe.export import LATENTS
from kakusan.builtin.recipe.lessons import kept
from kakusan.builtin.recipe.stages import frozen
from kakusan.models import AutoencoderKL, CLIPTextModel, UNet2DConditionModel
from kakusan.runtime.device import best_device
from kakusan.text import CLIPTokenizer
from kakusan.training.trainer import fingerprint

_TOGETHER = 32  # pictures that are encoded at a time


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

    def encoded(self, pictures: Iterable[Pictures], run: Path, *, of: str) -> Tensor:
        """The latents of pictures (height, width, 3), scaled, as float16; kept in the folder `run`.

        Args:
            of: says which pictures these are; it is stored in the file, with what tells encoders
                apart.

        Raises:
            CheckpointError: The file there is of other pictures, or of another encoder.
        """
        known = {"of": of, "encoder": fingerprint(self.vae.encoder)}
        found, _ = kept(
            run / LATENTS, known, lambda: {"latents": encode_pictures(self.vae, _stacks(pictures))}
        )
        return (found["latents"].float() * self.vae.config.scaling_factor).half()

    def read(self, captions: Iterable[Sequence[str]]) -> Tensor:
        """The ids of several captions of each picture, shape (pictures, captions, tokens)."""
        return torch.stack([self.tokenizer.encode_prompts(several) for several in captions])


def _stacks(pictures: Iterable[Pictures]) -> Iterator[Tensor]:
    left = iter(pictures)
    while several := list(islice(left, _TOGETHER)):
        yield torch.from_numpy(np.stack(several))
