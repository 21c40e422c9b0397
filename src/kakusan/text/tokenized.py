"""What a tokenizer returns."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kakusan.text.padding import is_tensor

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T", bound="Tensor | list[int] | list[list[int]]")


class TokenizedText(Mapping[str, "T | Tensor | list[int]"], Generic[T]):
    """Token ids and the mask of those that are not padding: attributes, and a mapping for `**`.

    For one text as lists: `list[int]`; for several: a list each; as tensors always (texts, tokens).

    Args:
        tokens: `input_ids`, and `attention_mask` where it is wanted.
        length: how many tokens each text has, where it is wanted.
    """

    def __init__(self, tokens: Mapping[str, T], length: "Tensor | list[int] | None" = None) -> None:
        self._tokens = dict(tokens)
        self._length = length

    @property
    def input_ids(self) -> T:
        return self._tokens["input_ids"]

    @property
    def attention_mask(self) -> T:
        return self._tokens["attention_mask"]

    def __getitem__(self, key: str) -> "T | Tensor | list[int]":
        return self._length if key == "length" and self._length is not None else self._tokens[key]

    def __iter__(self) -> Iterator[str]:
        yield from self._tokens
        if self._length is not None:
            yield "length"

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def to(self, device: object) -> "TokenizedText[T]":
        """The same with its tensors on a device."""
        moved = {key: _moved(value, device) for key, value in self._tokens.items()}
        return TokenizedText(moved, _moved(self._length, device))

    def __repr__(self) -> str:
        return f"TokenizedText({dict(self)})"


def _moved(value: Any, device: Any) -> Any:
    return value.to(device) if is_tensor(value) else value
