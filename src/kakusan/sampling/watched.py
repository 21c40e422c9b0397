"""Steering by pictures, which who watches the steps may see and change."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from kakusan.sampling.steering import Steering


class Halves(NamedTuple):
    """What a picture's way is steered by, a row for each picture, or one for all.

    Attributes:
        text: where the UNet is asked about the text.
        negative: where it is asked about what is pushed away from; None where that is not steered.
    """

    text: Tensor
    negative: Tensor | None


class Watched(Steering):
    """Steering that shows what it steers by, and takes other tensors from then on."""

    def seen(self, name: str) -> Sequence[Halves]:
        """What is called so; nothing where nothing here is."""
        raise NotImplementedError

    def take(self, name: str, halves: Sequence[Halves]) -> None:
        """Steer by these from now on, as many as are seen.

        Raises:
            RequestError: What is called so is not read at any step.
        """
        raise NotImplementedError
