"""Pictures that the UNet attends to beside its text (IP-Adapter, arXiv:2308.06721).

A picture is a few tokens. Each attention to the text asks about them too, with the same queries
and with keys and values that an adapter makes of them; these do not change from step to step, so
the adapter's weights stay outside the UNet.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from kakusan.errors import RequestError


class ImageLayers:
    """What makes keys and values of image tokens, for each attention to the text.

    Args:
        weights: `to_k_ip` and `to_v_ip` (width of the attention, width of the tokens), by the
            names that `UNet2DConditionModel.text_attentions` has; an attention without any sees
            no pictures.

    Attributes:
        width: of the tokens.

    Raises:
        RequestError: There are none, or they are for tokens of different widths.
    """

    def __init__(self, weights: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        widths = {weight.shape[1] for pair in weights.values() for weight in pair}
        if len(widths) != 1:
            raise RequestError(
                f"the weights of image attentions are for tokens of widths {sorted(widths)}; they "
                "must be for one"
            )
        self.weights, self.width = dict(weights), widths.pop()

    def keys_values(self, name: str, tokens: Tensor) -> tuple[Tensor, Tensor] | None:
        """Of tokens (batch, tokens, width) for one attention, in the tokens' dtype."""
        if name not in self.weights:
            return None
        to_k, to_v = self.weights[name]
        return F.linear(tokens, to_k.to(tokens)), F.linear(tokens, to_v.to(tokens))


@dataclass(frozen=True, eq=False)
class ImageTokens:
    """The picture, or the pictures, that rows attend to through one adapter.

    Attributes:
        tokens: shape (batch, tokens, width); a batch of 1 stands for all rows.
        layers: the adapter's.
        scale: what is added to the attention to the text is multiplied by it.
        blocks: beginnings of attentions' names, such as "down_blocks.2.", and the scale of those
            in its place; the first that fits counts.

    Raises:
        RequestError: The tokens are not the adapter's.
    """

    tokens: Tensor
    layers: ImageLayers
    scale: float = 1.0
    blocks: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if self.tokens.ndim != 3 or self.tokens.shape[2] != self.layers.width:
            raise RequestError(
                f"image tokens have shape {tuple(self.tokens.shape)}; this adapter takes (batch, "
                f"tokens, {self.layers.width})"
            )

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same of what a function makes of the tokens."""
        return replace(self, tokens=function(self.tokens))

    def for_rows(self, rows: int) -> Self:
        """The same with as many rows, where one stands for all."""
        return self.map(lambda tokens: tokens.expand(rows, -1, -1))

    def scale_at(self, name: str) -> float:
        """Of one attention."""
        found = (scale for start, scale in self.blocks if name.startswith(start))
        return next(found, self.scale)


def keys_values(
    parts: Sequence[ImageTokens], name: str, dtype: torch.dtype
) -> tuple[Tensor, Tensor] | None:
    """Of rows of several requests through one adapter, one after the other, with their scales.

    Returns:
        None where this attention sees nothing of them.
    """
    scales = [part.scale_at(name) for part in parts]
    if not any(scales):
        return None
    tokens = torch.cat([part.tokens.to(dtype) for part in parts])
    found = parts[0].layers.keys_values(name, tokens)
    if found is None:
        return None
    keys, values = found
    by_row = [torch.full_like(p.tokens[:, :1, :1], s) for p, s in zip(parts, scales, strict=True)]
    return keys, values * torch.cat(by_row).to(values)
