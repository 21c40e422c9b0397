"""What networks beside the UNet add to what its layers give: ControlNets and T2I-Adapters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Self

from torch import Tensor

from kakusan.errors import RequestError


@dataclass(frozen=True, eq=False)
class Residuals:
    """Tensors that are added within the UNet, scaled already.

    Each is shaped as what it is added to, (batch, channels, height, width); a batch, a height and a
    width of 1 stand for all rows and for all positions.

    Attributes:
        skips: a ControlNet's (arXiv:2302.05543): one for the first convolution and one for each
            layer on the way down, added to what they hand over to the way up.
        middle: a ControlNet's, added to what the middle gives.
        features: a T2I-Adapter's (arXiv:2302.08453), one for each level on the way down, from the
            finest on. Where the level has attention, it is added before the halving, else after
            it, and the way up sees it too. One more is added to what the middle gives.
    """

    skips: tuple[Tensor, ...] = ()
    middle: Tensor | None = None
    features: tuple[Tensor, ...] = ()

    @classmethod
    def of_reference(
        cls,
        down: Sequence[Tensor] | None,
        middle: Tensor | None,
        features: Sequence[Tensor] | None,
    ) -> Self:
        """Those that the reference's UNet takes as three arguments.

        Raises:
            RequestError: Half of what a ControlNet gives.
        """
        if (down is None) != (middle is None):
            raise RequestError(
                "down_block_additional_residuals and mid_block_additional_residual go together; "
                "what a T2I-Adapter gives is down_intrablock_additional_residuals"
            )
        return cls(tuple(down or ()), middle, tuple(features or ()))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All of them, in a fixed order."""
        return (*self.skips, *(() if self.middle is None else (self.middle,)), *self.features)

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """What a function makes of each, in their places."""
        return type(self)(
            tuple(function(each) for each in self.skips),
            None if self.middle is None else function(self.middle),
            tuple(function(each) for each in self.features),
        )

    def plus(self, other: "Residuals") -> Self:
        """The sums of what two networks add."""
        return type(self)(
            _sums(self.skips, other.skips),
            _sum(self.middle, other.middle),
            _sums(self.features, other.features),
        )

    def check_fits(self, levels: int, *, has_middle: bool) -> None:
        """Raise RequestError for more features than the UNet has places for."""
        most = levels + has_middle
        if len(self.features) > most:
            raise RequestError(
                f"a T2I-Adapter gave {len(self.features)} features; this UNet takes {most} at most"
            )

    def on_skips(self, skips: Sequence[Tensor]) -> list[Tensor]:
        """What the way up takes: skips with a ControlNet's residuals on them.

        Raises:
            RequestError: They do not fit.
        """
        if not self.skips:
            return list(skips)
        if len(self.skips) != len(skips):
            raise RequestError(
                f"residuals: got {len(self.skips)} for the way down; this UNet takes {len(skips)}"
            )
        return [added(*pair) for pair in zip(skips, self.skips, strict=True)]


def added(x: Tensor, residual: Tensor | None) -> Tensor:
    """A feature map of the UNet with a residual on it, in its own dtype.

    Raises:
        RequestError: It is of another shape.
    """
    if residual is None:
        return x
    shapes = zip(residual.shape, x.shape, strict=False)
    fits = residual.ndim == 4 and residual.shape[1] == x.shape[1]
    if not fits or not all(given in (1, wanted) for given, wanted in shapes):
        raise RequestError(
            f"residuals: one has shape {tuple(residual.shape)} where this UNet takes "
            f"{tuple(x.shape)}"
        )
    return x + residual.to(x.dtype)


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    if one is None or other is None:
        return other if one is None else one
    return one + other


def _sums(some: Sequence[Tensor], others: Sequence[Tensor]) -> tuple[Tensor, ...]:
    pairs = (_sum(*pair) for pair in zip_longest(some, others))
    return tuple(each for each in pairs if each is not None)
