"""Filling texts up to one length, and making tensors of them."""

import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, TypeGuard, cast

from kakusan.errors import RequestError, shown

if TYPE_CHECKING:
    from torch import Tensor

Padding = bool | Literal["max_length", "longest", "do_not_pad"]


def length_of(padding: Padding, longest: int, limit: int) -> int:
    """The length that texts are filled up to; 0 leaves them as they are.

    Raises:
        RequestError: No way to pad is called that.
    """
    if padding not in (True, False, "max_length", "longest", "do_not_pad"):
        raise RequestError(f"padding is {shown(padding)}; it must be True, False or 'max_length'.")
    return {"max_length": limit, "longest": longest, True: longest}.get(padding, 0)


def filled(rows: Sequence[list[int]], length: int, value: int) -> list[list[int]]:
    """Rows of at least this length, with `value` after their end."""
    return [row + [value] * (length - len(row)) for row in rows]


def as_tensor(rows: Sequence[list[int]]) -> "Tensor":
    """Rows of one length as a tensor (texts, tokens).

    Raises:
        RequestError: They differ in length.
    """
    if len({len(row) for row in rows}) > 1:
        raise RequestError(
            "texts of different lengths do not make one tensor; "
            "pass padding='max_length' and truncation=True."
        )
    import torch  # here, so that counting tokens does not wait for it

    return torch.tensor(rows, dtype=torch.long, device="cpu")


def is_tensor(value: object) -> "TypeGuard[Tensor]":
    """Whether it is a tensor; there is none before torch is loaded."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def numbers_of(ids: "int | Sequence[int] | Tensor") -> int | Sequence[int]:
    """Token ids, out of a tensor if they are in one."""
    return ids.tolist() if is_tensor(ids) else cast("int | Sequence[int]", ids)


Encoded = Mapping[str, object] | Sequence[Mapping[str, object]]


def rows_of(encoded: Encoded) -> dict[str, list[list[int]]]:
    """Token ids and masks that a tokenizer gave, of several texts: together, or one by one.

    Raises:
        RequestError: There is something else in it, or no ids.
    """
    several = [encoded] if isinstance(encoded, Mapping) else encoded
    rows: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": []}
    for each in several:
        if "input_ids" not in each or each.keys() - rows.keys():
            raise RequestError(
                f"pad takes input_ids and attention_mask, not {shown(', '.join(map(str, each)))}"
            )
        ids = _rows(each["input_ids"])
        rows["input_ids"] += ids
        masks = each.get("attention_mask")
        rows["attention_mask"] += [[1] * len(row) for row in ids] if masks is None else _rows(masks)
    return rows


def _rows(values: object) -> list[list[int]]:
    """One row or several, as lists."""
    numbers: object = values.tolist() if is_tensor(values) else values
    if not isinstance(numbers, list | tuple):
        raise RequestError(f"pad takes lists of token ids, not {shown(numbers)}")
    listed = cast("Sequence[object]", numbers)
    nested = bool(listed) and (isinstance(listed[0], list | tuple) or is_tensor(listed[0]))
    several = listed if nested else [listed]
    found = [each.tolist() if is_tensor(each) else each for each in several]
    return [list(cast("Sequence[int]", each)) for each in found]
