"""What weights do to the states of a text encoder, by AUTOMATIC1111's four modes."""

from collections.abc import Sequence

import torch
from torch import Tensor

from kakusan.errors import RequestError

WEIGHTLESS = ("Ignore", "None")
_LARGEST = 1e30  # beside which all else is nothing in float32, and with which sums are finite


def takes_any_weight(mode: str) -> bool:
    """Whether texts can be encoded with infinite weights, which brackets that nest deep make."""
    return mode == "Original" or mode in WEIGHTLESS


def emphasized(
    states: Tensor, weights: Sequence[Sequence[float]], mode: str, counts: Sequence[int]
) -> Tensor:
    """States (texts, places, width) with their weights (texts, places), in their own dtype.

    Under "Original" they get the mean back that they had without weights. It is taken over all
    texts of a schedule together, so that a text's scale depends on the others. What weighs above
    1e30 weighs 1e30 there: the mean makes the same of both.

    Args:
        counts: how often each text stands in its schedule.

    Raises:
        RequestError: Weights leave a mean of zero, which cannot be made another.
    """
    if mode in WEIGHTLESS or all(weight == 1.0 for row in weights for weight in row):
        return states
    factors = torch.tensor(weights, dtype=torch.float32, device=states.device)
    before = states.float()
    factors = factors.clamp(-_LARGEST, _LARGEST) if mode == "Original" else factors
    after = before * factors[..., None]
    if mode == "Original":
        scale = _mean(before, counts) / _mean(after, counts)
        if not torch.isfinite(scale):
            raise RequestError(
                "the prompt's weights leave nothing to restore the mean of; take smaller ones, or "
                "the emphasis 'No norm'"
            )
        after = after * scale
    return after.to(states.dtype)


def _mean(states: Tensor, counts: Sequence[int]) -> Tensor:
    if all(count == 1 for count in counts):
        return states.mean()
    often = torch.tensor(counts, dtype=torch.float32, device=states.device)
    return (states.mean(dim=(1, 2)) * often).sum() / often.sum()
