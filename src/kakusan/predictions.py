"""What the UNet predicts over a run: guided, and with an interval in part reused."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kakusan.models import DeepFeature, TextContext


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (arXiv:2207.12598) with optional rescaling (arXiv:2305.08891).

    It is on only for `scale > 1`; the batch that the network sees is then twice as large,
    unconditional half first.
    """

    scale: float = 7.5
    rescale: float = 0.0

    @property
    def on(self) -> bool:
        return self.scale > 1.0

    def combine(self, prediction: Tensor) -> Tensor:
        """(2b, c, h, w) -> (b, c, h, w): the prediction pushed away from the unconditional one."""
        if not self.on:
            return prediction
        unconditional, text = prediction.chunk(2)
        guided = unconditional + self.scale * (text - unconditional)
        return self._rescaled(guided, text) if self.rescale > 0.0 else guided

    def _rescaled(self, guided: Tensor, text: Tensor) -> Tensor:
        # Section 3.4: give the guided prediction the deviation of the text's, then mix
        dims = list(range(1, guided.ndim))
        deviation = text.std(dim=dims, keepdim=True) / guided.std(dim=dims, keepdim=True)
        return self.rescale * (guided * deviation) + (1.0 - self.rescale) * guided


class Predictions:
    """The calls of the UNet in one run, of which only every `interval`-th is made in full.

    Those between compute only the UNet's last layer, and that only for the text's half of guidance.
    The deep feature below it (arXiv:2312.00858) and guidance's direction, which change as slowly
    (arXiv:2312.12487), stay those of the last full call.

    Args:
        embeddings: (b, n, d), or (2b, n, d) with the unconditional half first under guidance.
        interval: 1 makes every call in full, which is exact.
    """

    def __init__(self, guidance: Guidance, embeddings: Tensor, interval: int = 1) -> None:
        self.guidance = guidance
        self.interval = interval
        self.show(embeddings)

    def show(self, embeddings: Tensor) -> None:
        """Predict for these embeddings from now on."""
        self._both = TextContext(embeddings)
        self._text = TextContext(embeddings.chunk(2)[1]) if self.guidance.on else self._both
        self.begin()

    def begin(self) -> None:
        """Make the next call in full."""
        self._until_full = 0
        self._deep = DeepFeature()
        self._direction: Tensor | None = None

    def run(self, unet: Any, x: Tensor, timestep: Tensor) -> Tensor:
        """What the UNet gives for `x` (b, c, h, w): (2b, c, h, w) in a full call under guidance."""
        full = self._until_full == 0
        if full:
            self._deep.tensor = None  # what a UNet that overflowed left; it runs again, widened
        rows = torch.cat([x] * 2) if full and self.guidance.on else x
        context = self._both if full else self._text
        # A single full call after another needs nothing of it
        reuse = {"deep": self._deep} if self.interval > 1 else {}
        return unet(rows, timestep, encoder_hidden_states=context, **reuse)[0]

    def guided(self, output: Tensor) -> Tensor:
        """(b, c, h, w) of what `run` gave; the next `run` is that of the next step."""
        if self._until_full == 0:
            self._until_full = self.interval
            if self.guidance.on and self.interval > 1:
                self._keep(output)
        elif self._direction is not None:
            output = torch.cat([output - self._direction, output])
        self._until_full -= 1
        return self.guidance.combine(output)

    def _keep(self, output: Tensor) -> None:
        """Hold guidance's direction, and the text's half of the deep feature."""
        unconditional, text = output.chunk(2)
        self._direction = text - unconditional
        assert self._deep.tensor is not None
        self._deep.tensor = self._deep.tensor.chunk(2)[1]
