"""What values of published settings are refused."""

import math
from collections.abc import Sequence
from typing import cast

import numpy as np

from kakusan.errors import RequestError, shown
from kakusan.schedulers.spacings import SIGMA_SPACINGS, setting_of


def check_setting(
    class_name: str,
    name: str,
    value: object,
    default: object,
    choices: Sequence[object] | None,
    limits: tuple[float, float] | None,
) -> None:
    """Raise RequestError for a value that a setting cannot have.

    Args:
        default: tells its type.
        choices: the values that it may have, where they are few.
        limits: the least and the most of a number.
    """
    where = f"{class_name}: {name}={shown(value)}"
    if choices is None and _is_unknown_spacing(name):
        choices = (False,)
    if choices is not None:
        if value not in choices:
            allowed = ", ".join(map(repr, choices))
            raise RequestError(f"{where} is not supported; allowed: {allowed}")
    elif isinstance(default, bool):
        if not isinstance(value, bool):
            raise RequestError(f"{where} must be true or false")
    elif value is not None or default is not None:
        assert limits is not None, f"{name} has no range"
        low, high = limits
        kind = "a whole number" if isinstance(default, int) else "a number"
        numeric = isinstance(value, int if isinstance(default, int) else (int, float))
        if isinstance(value, bool) or not numeric or not low <= cast(float, value) <= high:
            raise RequestError(f"{where} must be {kind} from {low:g} to {high:g}")


def betas_of(where: str, value: object) -> list[float]:
    """Trained betas, as a file or a caller gives them.

    Raises:
        RequestError: They are no numbers between 0 and 1.
    """
    if isinstance(value, np.ndarray):
        value = value.tolist()
    numbers = cast(list[object], value) if isinstance(value, (list, tuple)) else []
    betas = [float(each) for each in numbers if isinstance(each, (int, float)) and 0 < each < 1]
    if not betas or len(betas) != len(numbers):
        raise RequestError(f"{where}: trained_betas must be a list of numbers between 0 and 1")
    return betas


def is_infinite(value: object) -> bool:
    """Whether JSON has no number for it."""
    return isinstance(value, float) and math.isinf(value)


def _is_unknown_spacing(name: str) -> bool:
    """Whether a published setting asks for a spacing of sigmas that is not in the table."""
    asks = name.startswith("use_") and name.endswith("_sigmas")
    return asks and name not in map(setting_of, SIGMA_SPACINGS)
