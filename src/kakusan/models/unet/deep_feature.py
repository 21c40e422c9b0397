"""What a call of the UNet leaves for a later one, which is then much shorter."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class DeepFeature:
    """What the UNet's last layer takes from all below it, for a later call to take again.

    It changes slowly from step to step, while most of the work goes into it. A call that is given
    one without a tensor computes everything and leaves the feature here, (batch, channels, height,
    width); given one that holds it, it computes only the first convolution and the last layer.
    arXiv:2312.00858.
    """

    tensor: Tensor | None = None
