"""What a ControlNet is asked beside the UNet: the same rows, and pictures that were embedded."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from kakusan.models.control.controlnet import ControlNetModel, Steerer
from kakusan.models.control.union import ControlNetUnionModel
from kakusan.models.layers.attention import TextContext
from kakusan.models.unet.inputs import AddedConditioning
from kakusan.models.unet.residuals import Residuals


@dataclass(frozen=True, eq=False)
class Control:
    """How a net steers one question to the UNet.

    Attributes:
        net: a ControlNet, or a union of several.
        hints: what its `embed` gave, a row for each of the question's, or one for all; of a union
            several.
        weights: what each residual is multiplied by, the middle's last.
        kinds: of a union what each picture is of.
        scales: of a union how much each picture counts.
    """

    net: Steerer[Any]
    hints: tuple[Tensor, ...]
    weights: tuple[float, ...]
    kinds: tuple[int, ...] = ()
    scales: tuple[float, ...] = ()

    def weighed(self, found: Residuals) -> Residuals:
        """Residuals of these rows, each multiplied by its weight."""
        weights = iter(self.weights)

        def times(x: Tensor) -> Tensor:
            weight = next(weights)
            return x if weight == 1.0 else x * weight

        return found.map(times)


def answered(
    net: Steerer[Any],
    control: Control,
    hints: list[Tensor],
    sample: Tensor,
    timestep: Tensor,
    context: TextContext,
    added: AddedConditioning | None,
    *,
    sizes: list[int],
    first_alone: bool,
) -> Residuals:
    """What a net says to the rows of several questions, unweighed.

    Args:
        net: that of `control`, or its copy in float32.
        hints: of all rows.
        sizes: rows of each question.
    """
    if isinstance(net, ControlNetUnionModel):
        return net.residuals(
            sample,
            timestep,
            context,
            hints,
            added,
            kinds=control.kinds,
            scales=control.scales,
            sizes=sizes,
            first_alone=first_alone,
        )
    assert isinstance(net, ControlNetModel)
    return net.residuals(sample, timestep, context, hints[0], added, first_alone=first_alone)
