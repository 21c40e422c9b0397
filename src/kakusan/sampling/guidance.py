"""Classifier-free guidance: what the UNet is asked at a step, and what its answers come to."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor

from kakusan.models import Conditioning, UNetCall


class Prompt(NamedTuple):
    """What a picture is to be, and what it is pushed away from; None without guidance.

    Attributes:
        weight: of the text.
        beside: other texts that the picture is to be, and their weights; see `Composed`.
    """

    text: Conditioning
    negative: Conditioning | None = None
    weight: float = 1.0
    beside: tuple[tuple[float, Conditioning], ...] = ()

    @property
    def is_composed(self) -> bool:
        """Whether there is more to it than one text of weight 1."""
        return bool(self.beside) or self.weight != 1.0


@dataclass(frozen=True)
class Guidance:
    """Classifier-free guidance (arXiv:2207.12598) with optional rescaling (arXiv:2305.08891).

    It is on only for `scale > 1`; the UNet is then asked twice, with the negative prompt first.

    Attributes:
        embedded: whether the network was distilled under guidance (arXiv:2310.04378): it is told
            the scale, and asked once.
        both: whether the network is asked twice whatever the scale is, for CFG++.
    """

    scale: float = 7.5
    rescale: float = 0.0
    embedded: bool = False
    both: bool = False

    @property
    def on(self) -> bool:
        return (self.scale > 1.0 or self.both) and not self.embedded

    def call(self, sample: Tensor, timestep: Tensor, text: Conditioning) -> UNetCall:
        """The question about `sample` and one side of the prompt."""
        scale = self.scale if self.embedded else None
        return UNetCall(sample, timestep, text, guidance=scale)

    def combine(self, unconditional: Tensor, text: Tensor) -> Tensor:
        """The prediction for the text pushed away from the unconditional one, (b, c, h, w)."""
        guided = unconditional + self.scale * (text - unconditional)
        return self._rescaled(guided, text) if self.rescale > 0.0 else guided

    def _rescaled(self, guided: Tensor, text: Tensor) -> Tensor:
        # Section 3.4: give the guided prediction the deviation of the text's, then mix
        dims = list(range(1, guided.ndim))
        deviation = text.std(dim=dims, keepdim=True) / guided.std(dim=dims, keepdim=True)
        return self.rescale * (guided * deviation) + (1.0 - self.rescale) * guided


def about_negative(text: UNetCall, negative: Conditioning) -> UNetCall:
    """The question about what a picture is pushed away from, beside the one about its text."""
    return text._replace(conditioning=negative, is_negative=True, deep=None)


class Predictor(Protocol):
    """Decides what the UNet is asked for each step of one trajectory.

    Attributes:
        guidance: may be replaced between steps, with `restart`.
        unconditional: the prediction for the negative prompt in what was combined last, if any.
    """

    guidance: Guidance
    unconditional: Tensor | None

    @property
    def holds_nothing(self) -> bool:
        """Whether each step is asked without anything of the one before."""
        ...

    def ask(self, sample: Tensor, timestep: Tensor, prompt: Prompt) -> list[UNetCall]:
        """What to ask about `sample` (b, c, h, w), as the UNet wants to see it."""
        ...

    def combine(self, predictions: list[Tensor]) -> Tensor:
        """The step's prediction (b, c, h, w) from the answers, in the order of the calls."""
        ...

    def restart(self) -> None:
        """Forget earlier answers: the next step follows from something else."""
        ...


class Guided:
    """Asks everything at every step."""

    def __init__(self, guidance: Guidance) -> None:
        self.guidance = guidance
        self.unconditional: Tensor | None = None

    def ask(self, sample: Tensor, timestep: Tensor, prompt: Prompt) -> list[UNetCall]:
        negative = prompt.negative if self.guidance.on else None
        text = self.guidance.call(sample, timestep, prompt.text)
        return [text] if negative is None else [about_negative(text, negative), text]

    def combine(self, predictions: list[Tensor]) -> Tensor:
        if len(predictions) == 1:
            self.unconditional = None
            return predictions[0]
        self.unconditional, text = predictions
        return self.guidance.combine(self.unconditional, text)

    @property
    def holds_nothing(self) -> bool:
        return True

    def restart(self) -> None:
        """No answer is held."""
