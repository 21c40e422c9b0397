"""Text encoders that look learnt tokens up beside their tables, for one call."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from torch import Tensor

from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection, LearntTokens, within

EncoderT = TypeVar("EncoderT", CLIPTextModel, CLIPTextModelWithProjection)


def reading(
    run: Callable[[EncoderT, Tensor], Tensor], learnt: LearntTokens | None
) -> Callable[[EncoderT, Tensor], Tensor]:
    """The same with an encoder that has these learnt tokens and no others.

    That is a copy which shares all weights; a compiled encoder's is compiled likewise.
    """

    def read(encoder: EncoderT, ids: Tensor) -> Tensor:
        plain = within(encoder)
        if plain.learnt is learnt:
            return run(encoder, ids)
        made: Any = plain.reading(learnt)
        if plain is not encoder:
            wrapper = cast(Any, encoder)
            made = type(wrapper)(made, wrapper.dynamo_ctx)
        return run(cast(EncoderT, made), ids)

    return read
