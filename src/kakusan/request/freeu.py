"""FreeU (arXiv:2309.11497), which weighs what the UNet's way up is made of, as it is asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn, cast

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks

MAX_WEIGHT = 100.0


class FreeUWeights(NamedTuple):
    """The weights of the two coarsest levels on the way up, 1 the coarsest.

    Attributes:
        b1, b2: what half of the channels from below are multiplied by; above 1 as a rule.
        s1, s2: what the lowest frequencies from the way down are multiplied by; below 1.
    """

    b1: float
    b2: float
    s1: float
    s2: float


@dataclass(frozen=True, kw_only=True)
class FreeURequest:
    """FreeU's weights; None where it is off."""

    freeu: FreeUWeights | None = None

    def checked_freeu(self) -> FreeUWeights | None:
        """The field as it is stored.

        Raises:
            ArgumentError: It is something else.
        """
        return freeu_of(self.freeu)


def freeu_of(given: object) -> FreeUWeights | None:
    """The weights: four numbers in the order b1, b2, s1, s2, or a mapping with these names.

    Raises:
        ArgumentError: It is something else, or one is no finite number.
    """
    if given is None:
        return None
    names = FreeUWeights._fields
    if isinstance(given, Mapping):
        told = cast("Mapping[Any, Any]", given)
        if set(told) != set(names):
            _refuse(given)
        given = [told[name] for name in names]
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) != len(names):  # pyright: ignore[reportUnknownArgumentType]
        _refuse(given)
    values = cast("Sequence[object]", given)
    return FreeUWeights(*(_weight(name, v) for name, v in zip(names, values, strict=True)))


def _weight(name: str, value: object) -> float:
    try:
        found = checks.number("freeu", value, -MAX_WEIGHT, MAX_WEIGHT)
    except ArgumentError:
        found = None
    if found is None:
        raise ArgumentError(
            f"{name} of {{freeu}} must be a finite number from {-MAX_WEIGHT:g} to {MAX_WEIGHT:g}, "
            "not {0}",
            shown(value),
        )
    return found


def _refuse(given: object) -> NoReturn:
    raise ArgumentError(
        "{freeu} must be four numbers in the order b1, b2, s1, s2 (1.5, 1.6, 0.9, 0.2 are usual), "
        "or a mapping with these names, not {0}",
        shown(given),
    )


def typed(text: str) -> FreeUWeights:
    """The weights as they are typed: B1,B2,S1,S2.

    Raises:
        ArgumentError: They are not four numbers.
    """
    pieces = text.replace(" ", "").split(",")
    try:
        numbers = [float(piece) for piece in pieces]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise ArgumentError(
            "{freeu} must be B1,B2,S1,S2, such as 1.5,1.6,0.9,0.2 (b above 1 for the backbone, s "
            "below 1 for the skips), not {0}",
            shown(text),
        )
    return FreeUWeights(
        *(_weight(*pair) for pair in zip(FreeUWeights._fields, numbers, strict=True))
    )
