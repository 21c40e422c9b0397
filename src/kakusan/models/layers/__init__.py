"""Building blocks that the networks share. Tensor names follow the published checkpoints."""
