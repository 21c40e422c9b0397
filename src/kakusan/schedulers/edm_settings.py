"""The settings that say that a model was trained on EDM's noise levels."""

import math
from collections.abc import Mapping
from typing import cast

from kakusan.errors import RequestError, shown

# The settings of EDM's own schedulers that say what a model was trained on, and their defaults
EDMS = {"sigma_min": 0.002, "sigma_max": 80.0, "sigma_data": 0.5}


def is_edms(published: Mapping[str, object]) -> bool:
    """Whether it is the config of a scheduler on EDM's noise levels."""
    said = "sigma_data" in published or published.get("edm_sigmas") is not None
    return said or str(published.get("_class_name")).startswith("EDM")


def check_edm(where: str, sigmas: object, prediction_type: str) -> None:
    """Raise `RequestError` unless they are the least and the most noise and a deviation."""
    found = cast("list[object]", list(sigmas)) if isinstance(sigmas, list | tuple) else []
    numbers = [float(each) for each in found if type(each) in (int, float)]  # pyright: ignore
    right = len(numbers) == len(found) == len(EDMS) and 0 < numbers[0] < numbers[1] < math.inf
    if not right or not 0 < numbers[2] < math.inf:
        raise RequestError(
            f"{where}: {', '.join(EDMS)} are {shown(sigmas)}; they must be three numbers above 0, "
            "the first less than the second"
        )
    if prediction_type == "sample":
        raise RequestError(
            f"{where}: prediction_type='sample' is not supported on EDM's noise levels; allowed: "
            "'epsilon', 'v_prediction'"
        )
