"""Questions of different pictures and requests to the UNet, put together into one call of it."""

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kakusan.models import (
    AddedConditioning,
    Conditioning,
    DeepFeature,
    FreeU,
    ImageTokens,
    Residuals,
    UNetCall,
)


class Joined(NamedTuple):
    """One call of the UNet for the rows of several questions.

    Attributes:
        sample: shape (rows, channels, height, width).
        timestep: shape () where all rows have the same, else (rows,).
        added: what conditions SDXL besides the tokens.
        residuals: what ControlNets and T2I-Adapters add.
        deep: where the deep feature of all rows is stored; None where no question needs it.
        guidance: the scale of each row, for networks distilled under it, shape (rows,).
        freeu: of all rows.
    """

    sample: Tensor
    timestep: Tensor
    added: AddedConditioning | None
    residuals: Residuals | None
    deep: DeepFeature | None
    guidance: Tensor | None
    freeu: FreeU | None

    @property
    def options(self) -> dict[str, Any]:
        """What the UNet is given by keyword, where there is any of it."""
        given = {
            "added_conditioning": self.added,
            "residuals": self.residuals,
            "deep": self.deep,
            "freeu": self.freeu,
        }
        return {name: value for name, value in given.items() if value is not None}


def together(calls: Sequence[UNetCall]) -> list[list[int]]:
    """The numbers of those calls that one call of the UNet can answer.

    Texts of different lengths may stand in one call. Within it they stand side by side.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, call in enumerate(calls):
        groups.setdefault(_kind(call), []).append(index)
    return [
        sorted(group, key=lambda i: calls[i].conditioning.tokens.shape[1:])
        for group in groups.values()
    ]


def _kind(call: UNetCall) -> Hashable:
    """What has to be the same for two calls to be answered together."""
    conditioning = call.conditioning
    return (
        *(call.sample.shape[1:], call.sample.dtype, call.upcast),
        *(conditioning.pooled is None, conditioning.sizes is None),
        tuple((each.layers, each.tokens.shape[1:]) for each in conditioning.image_tokens),
        _shapes(call.residuals),
        call.deep is not None and call.deep.tensor is not None,
        call.guidance is None,
        *(call.adapters, call.freeu),
    )


def _shapes(residuals: Residuals | None) -> Hashable:
    """Of all that is added, but for the rows."""
    if residuals is None:
        return None
    parts = (residuals.skips, residuals.features)
    shapes = [tuple(each.shape[1:] for each in part) for part in parts]
    return (*shapes, residuals.middle is not None)


def join(calls: Sequence[UNetCall]) -> Joined:
    """One call in place of several of a kind; but for the text, see `embeddings`."""
    first = calls[0]
    timestep = first.timestep
    if any(call.timestep is not timestep for call in calls):
        timestep = torch.cat([call.timestep.expand(len(call.sample)) for call in calls])
    return Joined(
        _rows([call.sample for call in calls]),
        timestep,
        _added([call.conditioning for call in calls]),
        _residuals(calls),
        _deep(calls),
        _guidance(calls),
        first.freeu,
    )


def _rows(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def _added(conditionings: Sequence[Conditioning]) -> AddedConditioning | None:
    pooled = [each.pooled for each in conditionings if each.pooled is not None]
    sizes = [each.sizes for each in conditionings if each.sizes is not None]
    return AddedConditioning(_rows(pooled), _rows(sizes)) if pooled and sizes else None


def _residuals(calls: Sequence[UNetCall]) -> Residuals | None:
    """Those of all rows; one that stands for all rows of a call stands in each of them."""
    first, *others = calls
    if first.residuals is None or not others:
        return first.residuals
    rows = zip(
        *(
            [each.expand(len(call.sample), -1, -1, -1) for each in call.residuals.tensors]
            for call in calls
            if call.residuals is not None
        ),
        strict=True,
    )
    joined = iter([_rows(each) for each in rows])
    return first.residuals.map(lambda _: next(joined))


def _deep(calls: Sequence[UNetCall]) -> DeepFeature | None:
    features = [call.deep for call in calls if call.deep is not None]
    if not features:
        return None
    stored = [feature.tensor for feature in features if feature.tensor is not None]
    return DeepFeature(_rows(stored)) if stored else DeepFeature()


def _guidance(calls: Sequence[UNetCall]) -> Tensor | None:
    scales = [(call.guidance, call.sample) for call in calls if call.guidance is not None]
    rows = [torch.full((len(x),), scale, device=x.device) for scale, x in scales]
    return _rows(rows) if rows else None


def embeddings(conditionings: Sequence[Conditioning]) -> list[Tensor]:
    """The tokens of neighbours of one length, as one tensor each."""
    parts: list[list[Tensor]] = []
    for each in conditionings:
        if not parts or parts[-1][0].shape[1:] != each.tokens.shape[1:]:
            parts.append([])
        parts[-1].append(each.tokens)
    return [_rows(part) for part in parts]


def image_parts(conditionings: Sequence[Conditioning]) -> list[list[ImageTokens]]:
    """For each IP-Adapter the tokens of all rows; one row stands for all of its conditioning."""
    adapters = zip(*(each.image_tokens for each in conditionings), strict=True)
    return [
        [part.for_rows(len(of)) for part, of in zip(parts, conditionings, strict=True)]
        for parts in adapters
    ]


def split(joined: Joined, prediction: Tensor, calls: Sequence[UNetCall]) -> list[Tensor]:
    """What each call is answered; it gets its own rows of the deep feature, if it stores one."""
    sizes = [len(call.sample) for call in calls]
    if joined.deep is not None and joined.deep.tensor is not None:
        rows = joined.deep.tensor.split(sizes)
        for call, own in zip(calls, rows, strict=True):
            if call.deep is not None:
                call.deep.tensor = own
    return list(prediction.split(sizes))
