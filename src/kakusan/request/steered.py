"""The fields of a request that say which pictures steer it, and their checks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple, NoReturn, cast

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks

# How a picture of another shape comes to the size that is drawn, each in words
RESIZE_MODES: Mapping[str, str] = {
    "stretch": "stretched",
    "crop": "cut off at the sides",
    "fill": "filled up at the sides",
}
DEFAULT_STRENGTH = 0.6
_LONGEST_SIDE = 1_000_000
_LONGEST_NAME = 1000
_HASH = re.compile("[0-9a-f]{64}")
_SHAPE = '{"sha256": ..., "width": ..., "height": ..., "name": ...}'


class PictureFile(NamedTuple):
    """A picture that was handed in, as records tell of it.

    Attributes:
        sha256: of its size, its mode (RGB, or RGBA where something of it is transparent) and its
            decoded pixels, upright; or of the numbers of an array.
        width, height: in pixels, upright.
        name: of its file, without the folder; None where it came from none.
    """

    sha256: str
    width: int
    height: int
    name: str | None = None

    @property
    def words(self) -> str:
        """For people: its name, or else its hash."""
        return shown(self.name) if self.name is not None else f"with the SHA-256 {self.sha256[:16]}"

    def to_record(self) -> dict[str, Any]:
        """As plain JSON."""
        return {name: value for name, value in self._asdict().items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class SteeredRequest:
    """The pictures that others begin at; all of it is None where none was handed in.

    `image` tells of them. Their pixels travel beside the request, in `kakusan.inputs.Inputs`: what
    is drawn has it filled in, and where it is given, those pictures have to be handed in. Picture i
    begins at the one of number i, and where they are fewer, from the first one again. `strength` is
    how far to go back towards noise: from 0, which keeps the picture as the VAE gives it back, to
    1. `resize_mode` is how a picture of another shape comes to the size that is drawn: "crop" where
    not given, "stretch" or "fill".
    """

    image: tuple[PictureFile, ...] | None = None
    strength: float | None = None
    resize_mode: str | None = None

    @staticmethod
    def only_steered() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(SteeredRequest)]

    def checked_steering(self) -> dict[str, Any]:
        """The fields as they are stored.

        Raises:
            ArgumentError: One is not what it should be.
        """
        mode = self.resize_mode
        if mode is not None and mode not in RESIZE_MODES:
            raise ArgumentError(
                f"{{resize_mode}} must be one of {', '.join(RESIZE_MODES)}, not {{0}}", shown(mode)
            )
        return {
            "image": pictures_of("image", self.image),
            "strength": checks.number("strength", self.strength, 0.0, 1.0),
            "resize_mode": mode,
        }

    def steered_record(self) -> dict[str, Any]:
        """Those that are set, as plain JSON; one picture stands alone."""
        found: dict[str, Any] = {}
        if self.image is not None:
            told = [each.to_record() for each in self.image]
            found["image"] = told[0] if len(told) == 1 else told
        for name in ("strength", "resize_mode"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name)
        return found

    def steering_of(self, index: int) -> dict[str, Any]:
        """The fields that are others for picture `index` alone."""
        image = self.image
        return {} if image is None else {"image": (image[index % len(image)],)}


def pictures_of(name: str, given: object) -> tuple[PictureFile, ...] | None:
    """What a record tells of one picture or of several.

    Raises:
        ArgumentError: It is something else.
    """
    if given is None:
        return None
    several = [given] if isinstance(given, PictureFile | Mapping) else given
    if not isinstance(several, Sequence) or isinstance(several, str | bytes) or not several:
        _refuse(name, given)
    return tuple(_picture_of(name, each) for each in cast("Sequence[object]", several))


def _picture_of(name: str, given: object) -> PictureFile:
    if isinstance(given, PictureFile):
        return given
    told: dict[Any, Any] = (
        dict(cast("Mapping[Any, Any]", given)) if isinstance(given, Mapping) else {}
    )
    digest, called = told.get("sha256"), told.get("name")
    named = called is None or (isinstance(called, str) and 0 < len(called) <= _LONGEST_NAME)
    if (
        not isinstance(digest, str)
        or not _HASH.fullmatch(digest)
        or not named
        or told.keys() - set(PictureFile._fields)
    ):
        _refuse(name, given)
    width, height = (
        checks.integer(name, told.get(side), 1, _LONGEST_SIDE) for side in ("width", "height")
    )
    if width is None or height is None:
        _refuse(name, given)
    return PictureFile(digest, width, height, called)


def _refuse(name: str, given: object) -> NoReturn:
    shape = _SHAPE.replace("{", "{{").replace("}", "}}")
    raise ArgumentError(
        f"what a request says of {{{name}}} must be {shape}, not {{0}}; the picture itself is "
        "handed in beside it",
        shown(given),
    )
