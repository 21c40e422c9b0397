"""Several texts for one picture, each pushed away from the negative prompt by its own weight."""

from torch import Tensor

from kakusan.models import UNetCall
from kakusan.sampling.guidance import Predictor, Prompt, about_negative


class Composed:
    """Asks about every text of a prompt, and has another predictor see one text of them all.

    u + sum of w_i * (c_i - u) stands in place of the text's prediction, so that guidance gives
    u + scale * sum of w_i * (c_i - u). arXiv:2206.01714, equation 11.

    Where the network guides itself, or guidance is off, it is asked about the negative prompt all
    the same, to have u; without one, the first text stands for u.

    Args:
        inner: what asks about one text and guides it; the difference that the others make is held
            where it does not ask everything.
    """

    def __init__(self, inner: Predictor) -> None:
        self._inner = inner
        self.guidance = inner.guidance
        self.unconditional: Tensor | None = None
        self._weights: list[float] = []
        self._own = 0
        self._is_full = self._asks_unconditional = True
        self._difference: Tensor | None = None

    def ask(self, sample: Tensor, timestep: Tensor, prompt: Prompt) -> list[UNetCall]:
        self._inner.guidance = self.guidance
        own = self._inner.ask(sample, timestep, prompt)
        text = own[-1]
        self._is_full = text.deep is None or text.deep.tensor is None
        if not self._is_full:
            return own
        self._own, self._weights = len(own), [prompt.weight, *(each for each, _ in prompt.beside)]
        texts = [each for _, each in prompt.beside]
        self._asks_unconditional = len(own) == 1 and prompt.negative is not None
        beside = [text._replace(conditioning=each, deep=None) for each in texts]
        if self._asks_unconditional and prompt.negative is not None:
            beside.append(about_negative(text, prompt.negative))
        return [*own, *beside]

    def combine(self, predictions: list[Tensor]) -> Tensor:
        if not self._is_full:
            assert self._difference is not None, "the first step asks everything"
            return self._combined([predictions[-1] + self._difference])
        own, beside = predictions[: self._own], predictions[self._own :]
        unconditional = beside.pop() if self._asks_unconditional else own[0]
        merged = unconditional
        for weight, text in zip(self._weights, (own[-1], *beside), strict=True):
            merged = merged + weight * (text - unconditional)
        self._difference = merged - own[-1]
        return self._combined([*own[:-1], merged])

    def _combined(self, predictions: list[Tensor]) -> Tensor:
        found = self._inner.combine(predictions)
        self.unconditional = self._inner.unconditional
        return found

    @property
    def holds_nothing(self) -> bool:
        return self._inner.holds_nothing

    def restart(self) -> None:
        """Forget earlier answers: the next step follows from something else."""
        self._inner.restart()
