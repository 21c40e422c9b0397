"""What every network has in common."""

import torch
from torch import nn

from kakusan.runtime.precision import compute_dtype


class Model(nn.Module):
    """A network of the pipeline."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the weights are kept in."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def prepare(self) -> None:
        """Cast the weights, once, if this machine computes in another dtype than they are kept in.

        float16 weights on a CPU are the case: it has no fast instructions for them.
        """
        dtype = compute_dtype(self.dtype, self.device)
        if dtype != self.dtype:
            self.to(dtype)
