"""An IP-Adapter for one UNet: its projection, and the weights of the UNet's attentions."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from kakusan.checkpoints.ip_adapter import IPAdapterFile
from kakusan.errors import CheckpointError, listed, shown
from kakusan.models.image_projection import ImageProjection, projection_of
from kakusan.models.image_tokens import ImageLayers
from kakusan.models.unet import UNet2DConditionModel

logger = logging.getLogger("kakusan")
# Width of the tokens of published models -> what these are called
_FAMILIES = {768: "Stable Diffusion 1", 1024: "Stable Diffusion 2", 2048: "Stable Diffusion XL"}


@dataclass(frozen=True, eq=False)
class IPAdapter:
    """An adapter that was read for a UNet.

    Attributes:
        name: for people.
        unmatched: names of the file's tensors that nothing here has a use for.
        path: its file; None where it came from memory.
    """

    name: str
    projection: ImageProjection
    layers: ImageLayers
    unmatched: tuple[str, ...] = ()
    path: Path | None = None


def ip_adapter_for(
    unet: UNet2DConditionModel, file: IPAdapterFile, name: str, path: Path | None = None
) -> IPAdapter:
    """The adapter of a file; what of it does not match is told.

    Raises:
        CheckpointError: It was made for another family, or is not whole.
    """
    width = unet.config.cross_attention_dim
    made = next(iter(file.layers.values()))[0].shape[-1] if file.layers else width
    if made != width:
        raise CheckpointError(f"{file.where} {_for_another(made, width)}.")
    weights, left = _weights(unet.text_attentions, file)
    try:
        projection = projection_of(file.projection)
    except CheckpointError as error:
        raise CheckpointError(f"{file.where}: {error}.") from None
    if projection.width != width:
        raise CheckpointError(
            f"{file.where} makes tokens of the width {projection.width}, and its attentions take "
            f"{width}."
        )
    unused = [f"image_proj.{each}" for each in projection.unused()]
    unmatched = (*left, *unused, *file.unknown)
    if unmatched:
        logger.warning(
            "%s: this model has no use for %d of its tensors: %s",
            file.where,
            len(unmatched),
            listed(map(shown, unmatched)),
        )
    return IPAdapter(name, projection, ImageLayers(weights), unmatched, path)


def _weights(
    attentions: Mapping[str, int], file: IPAdapterFile
) -> tuple[dict[str, tuple[Tensor, Tensor]], list[str]]:
    """By the names of attentions, and what is left: those to the text have the odd numbers."""
    width = next(iter(file.layers.values()))[0].shape[-1]
    numbers = {2 * place + 1: name for place, name in enumerate(attentions)}
    lacking = [number for number in numbers if number not in file.layers]
    if lacking:
        raise CheckpointError(
            f"{file.where} was made for another UNet: it has {len(file.layers)} pairs of weights, "
            f"and this model's {len(numbers)} attentions to the text need also "
            f"{listed(f'ip_adapter.{number}' for number in lacking)}."
        )
    for number, name in numbers.items():
        for kind, tensor in zip(("to_k_ip", "to_v_ip"), file.layers[number], strict=True):
            if tuple(tensor.shape) != (attentions[name], width):
                raise CheckpointError(
                    f"{file.where}: ip_adapter.{number}.{kind}.weight has the shape "
                    f"{tuple(tensor.shape)}; {name} takes {(attentions[name], width)}."
                )
    left = [f"ip_adapter.{number}" for number in file.layers if number not in numbers]
    return {name: file.layers[number] for number, name in numbers.items()}, left


def _for_another(made: int, width: int) -> str:
    """Why tokens of one width do not fit a model of another."""
    of = _FAMILIES.get(made, f"models whose text is {made} wide")
    own = _FAMILIES.get(width, f"one whose text is {width} wide")
    return f"was made for {of}, and this model is {own}: give an IP-Adapter for it"
