"""What a tokenizer returns."""

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from torch import Tensor

T = TypeVar("T", bound=Tensor | list[int] | list[list[int]])


class TokenizedText(Mapping[str, T], Generic[T]):
    """Token ids and the mask of those that are not padding: attributes, and a mapping for `**`.

    For one text as lists: `list[int]`; for several: a list each; as tensors always (texts, tokens).
    """

    def __init__(self, input_ids: T, attention_mask: T) -> None:
        self.input_ids = input_ids
        self.attention_mask = attention_mask

    def __getitem__(self, key: str) -> T:
        if key not in ("input_ids", "attention_mask"):
            raise KeyError(key)
        return self.input_ids if key == "input_ids" else self.attention_mask

    def __iter__(self) -> Iterator[str]:
        return iter(("input_ids", "attention_mask"))

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        return f"TokenizedText({dict(self)})"
