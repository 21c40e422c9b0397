"""The fields of a request that say which part of a picture is drawn anew, and their checks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks
from kakusan.request.steered import PictureFile, pictures_of

# What a masked part begins as: what is there, the colours around it, or latents
MASKED_CONTENTS = ("original", "fill", "noise", "nothing")
EXACT, DECODED = "exact", "decoded"
OUTSIDES = (EXACT, DECODED)
SIDES = ("left", "right", "up", "down")
FEATHER = "feather"
ALPHA = "alpha"  # the name of a mask that is what its picture leaves transparent
MAX_BLUR = 256.0
MAX_PADDING = 16_384
_ALL_SIDES = "{outpaint} says how many pixels are added: left, right, up, down, and feather"


# Of `kakusan.generate` and the command line, as AUTOMATIC1111 has it
USUAL_BLUR = 4.0


def with_usual_mask(settings: Mapping[str, Any], names: Sequence[str | None]) -> dict[str, Any]:
    """Settings with what is usual for masks, where they do not say otherwise.

    Args:
        settings: under the names of a `Request`.
        names: of the masks.
    """
    found = {name: value for name, value in settings.items() if value is not None}
    found.setdefault("outside", EXACT)
    if names:
        found.setdefault("mask_blur", USUAL_BLUR)
    if ALPHA in names:  # under what is transparent there is no picture
        found.setdefault("masked_content", "fill")
    return found


@dataclass(frozen=True, kw_only=True)
class MaskedRequest:
    """Which part of the pictures given as `image` is drawn anew; all None where all of them are.

    `mask` tells of the masks, whose levels travel in `kakusan.inputs.Inputs`: white is drawn anew,
    black stays. It is cut off at half, unless `soft_mask` takes every level for a share.
    `mask_blur` is how far its edge is blurred, as the deviation of a Gaussian in pixels; where it
    is None, its latents are those of the reference, else AUTOMATIC1111's, also at 0.
    `masked_content` is what the masked part begins as: "original" where not given, "fill" is the
    colours around it, "noise" and "nothing" are latents. `only_masked` draws only the part around
    the mask, with so many pixels on each side, at the full size, and pastes it back. `outside` of
    "exact" pastes what is drawn back into the picture at its own size, whose other pixels stay the
    same to the bit; else, or "decoded", all of it comes out of the VAE, at the size that is drawn.
    `outpaint` adds pixels at the sides, and draws there: {"left": 64, "feather": 16} for instance,
    where the last is how far the old picture is blended into the new one; the old pixels behind
    that stay.
    """

    mask: tuple[PictureFile, ...] | None = None
    mask_blur: float | None = None
    masked_content: str | None = None
    only_masked: int | None = None
    outside: str | None = None
    soft_mask: bool | None = None
    outpaint: Mapping[str, int] | None = None

    @staticmethod
    def only_masks() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(MaskedRequest)]

    @property
    def pastes_back(self) -> bool:
        """Whether what is drawn is pasted into the picture at its own size."""
        return self.only_masked is not None or self.outside == EXACT or self.outpaint is not None

    def checked_masks(self) -> dict[str, Any]:
        """The fields as they are stored.

        Raises:
            ArgumentError: One is not what it should be.
        """
        _check_among("masked_content", self.masked_content, MASKED_CONTENTS)
        _check_among("outside", self.outside, OUTSIDES)
        if not isinstance(self.soft_mask, bool | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError("{soft_mask} must be true or false, not {0}", shown(self.soft_mask))
        return {
            "mask": pictures_of("mask", self.mask),
            "mask_blur": checks.number("mask_blur", self.mask_blur, 0.0, MAX_BLUR),
            "only_masked": checks.integer("only_masked", self.only_masked, 0, MAX_PADDING),
            "soft_mask": self.soft_mask or None,
            "outpaint": _checked_sides(self.outpaint),
        }

    def masks_record(self) -> dict[str, Any]:
        """Those that are set, as plain JSON; one mask stands alone."""
        found = {name: getattr(self, name) for name in self.only_masks()}
        if self.mask is not None:
            told = [each.to_record() for each in self.mask]
            found["mask"] = told[0] if len(told) == 1 else told
        return {name: value for name, value in found.items() if value is not None}

    def masks_of(self, index: int) -> dict[str, Any]:
        """The fields that are others for picture `index` alone."""
        mask = self.mask
        return {} if mask is None else {"mask": (mask[index % len(mask)],)}


def _check_among(name: str, value: object, allowed: Iterable[str]) -> None:
    if value is not None and value not in list(allowed):
        raise ArgumentError(
            f"{{{name}}} must be one of {', '.join(allowed)}, not {{0}}", shown(value)
        )


def _checked_sides(given: object) -> dict[str, int] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        raise ArgumentError(f"{_ALL_SIDES}; it is {{0}}", shown(given))
    told = cast("Mapping[object, object]", given)
    unknown = [each for each in told if each not in (*SIDES, FEATHER)]
    if unknown:
        raise ArgumentError(f"{_ALL_SIDES}; it names {{0}}", shown(unknown[0]))
    found: dict[str, int] = {}
    for name in (*SIDES, FEATHER):
        pixels = checks.integer("outpaint", told.get(name), 0, MAX_PADDING)
        if pixels is not None and (pixels or name == FEATHER):
            found[name] = pixels
    if not any(name in found for name in SIDES):
        raise ArgumentError(f"{_ALL_SIDES}; none of the sides is above 0")
    return found
