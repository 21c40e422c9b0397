"""The field of a request that says how a picture is made larger in tiles: SD upscale's way."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, cast

from kakusan.errors import ArgumentError, check_no_unknown, shown
from kakusan.request import checks

DEFAULT_SCALE = 2.0
UPSCALE_STRENGTH = 0.3
MAX_SCALE = 16.0
MAX_SIDE = 16_384
LEAST_SCALE = 1.0
_EIGHTH = 8  # of a tile overlaps the next one where nothing is said


@dataclass(frozen=True, kw_only=True)
class Upscale:
    """A picture that is made `scale` times as large, and then drawn over in tiles.

    The width and height of the request are those of a tile, and `overlap` is by how many pixels
    each lies over the one before it: an eighth of a tile where not given.

    Raises:
        ArgumentError: A value is out of its range.
    """

    scale: float = DEFAULT_SCALE
    overlap: int | None = None

    def __post_init__(self) -> None:
        try:
            scale = checks.number("scale", self.scale, 0.0, MAX_SCALE)
            overlap = checks.integer("overlap", self.overlap, 0, checks.MAX_SIZE)
        except ArgumentError as error:
            template = error.template
            for name in ("scale", "overlap"):
                template = template.replace(f"{{{name}}}", f"the {name} of {{upscale}}")
            raise ArgumentError(template, *error.values) from None
        if scale is None or scale < LEAST_SCALE:
            raise ArgumentError(
                f"the scale of {{upscale}} must be {LEAST_SCALE:g} or more, not {{0}}",
                shown(self.scale),
            )
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "overlap", overlap)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what a picture becomes.

        Raises:
            ArgumentError: That is too large.
        """
        found = (int(width * self.scale), int(height * self.scale))
        if max(found) > MAX_SIDE:
            raise ArgumentError(
                "{upscale} makes a picture of {0}x{1} pixels one of {2}x{3}; at most {4} are made "
                "along a side",
                width,
                height,
                *found,
                MAX_SIDE,
            )
        return found

    def overlap_of(self, tile: tuple[int, int]) -> int:
        """By how many pixels tiles of this width and height overlap.

        Raises:
            ArgumentError: They would not get on.
        """
        overlap = min(tile) // _EIGHTH if self.overlap is None else self.overlap
        if overlap >= min(tile):
            raise ArgumentError(
                "the overlap of {upscale} is {0} pixels, and its tiles are of {1}x{2}; take less "
                "than a tile",
                overlap,
                *tile,
            )
        return overlap

    def to_record(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            each.name: value
            for each in fields(self)
            if (value := getattr(self, each.name)) is not None
        }


@dataclass(frozen=True, kw_only=True)
class TiledRequest:
    """A picture that is handed in and made larger in tiles; None where none is."""

    upscale: Upscale | None = None

    def checked_upscale(self, pictures: int, others: Mapping[str, object]) -> Upscale | None:
        """The field as it is stored.

        Args:
            pictures: how many the request has.
            others: fields that say of a picture what cannot be said of tiles.

        Raises:
            ArgumentError: It is not what it should be, or does not go with another.
        """
        found = upscale_of(self.upscale)
        if found is None:
            return None
        if pictures != 1:
            raise ArgumentError(
                "{upscale} makes one picture of one, not {0}; call for each with a {seed} of its "
                "own",
                pictures,
            )
        name = next((name for name, value in others.items() if value is not None), None)
        if name is not None:
            raise ArgumentError(
                f"{{upscale}} draws the picture in tiles, and {{{name}}} is for a whole one; leave "
                "one of them out"
            )
        return found


def upscale_of(given: object) -> Upscale | None:
    """What a caller asks for: a mapping of its settings, or only the scale.

    Raises:
        ArgumentError: It is something else.
        UnknownArgumentError: It has no such setting.
    """
    if given is None or isinstance(given, Upscale):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return Upscale(scale=given if math.isfinite(given) else math.nan)
    if not isinstance(given, Mapping):
        raise ArgumentError(
            "{upscale} must be how many times larger, or a mapping such as {0}, not {1}",
            '{"scale": 2, "overlap": 64}',
            shown(given),
        )
    told = {str(key): value for key, value in cast("Mapping[object, Any]", given).items()}
    known = [each.name for each in fields(Upscale)]
    check_no_unknown("an upscale", (name for name in told if name not in known), known)
    return Upscale(**{name: value for name, value in told.items() if value is not None})
