"""Fewer and shorter calls of the UNet: what changes slowly is computed once in several steps."""

from torch import Tensor

from kakusan.models import DeepFeature, UNetCall
from kakusan.sampling.guidance import Guidance, Prompt, about_negative


class Reused:
    """Computes the whole UNet only at every `interval`-th step, and caches what changes slowly.

    The steps between compute only the UNet's last layer, and that only for the text, not for the
    negative prompt. The deep feature below it (arXiv:2312.00858) and guidance's direction
    (arXiv:2312.12487) are the cached ones of the last full step.
    """

    def __init__(self, guidance: Guidance, interval: int) -> None:
        self.guidance, self._interval = guidance, interval
        self.restart()

    @property
    def holds_nothing(self) -> bool:
        return False

    def restart(self) -> None:
        """Empty the cache: the next step is a full one."""
        self._until_full = 0
        self._deep = DeepFeature()
        self._direction: Tensor | None = None
        self.unconditional: Tensor | None = None

    def ask(self, sample: Tensor, timestep: Tensor, prompt: Prompt) -> list[UNetCall]:
        text = self.guidance.call(sample, timestep, prompt.text)
        if self._until_full > 0:
            return [text._replace(deep=self._deep)]
        self._deep.tensor = None  # what a UNet that overflowed has left
        full = text._replace(deep=self._deep)
        negative = prompt.negative if self.guidance.on else None
        return [full] if negative is None else [about_negative(text, negative), full]

    def combine(self, predictions: list[Tensor]) -> Tensor:
        text = predictions[-1]
        if self._until_full == 0:
            self._until_full = self._interval
            self._direction = text - predictions[0] if len(predictions) > 1 else None
        self._until_full -= 1
        if self._direction is None:
            self.unconditional = None
            return text
        self.unconditional = predictions[0] if len(predictions) > 1 else text - self._direction
        return self.guidance.combine(self.unconditional, text)
