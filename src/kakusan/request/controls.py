"""The fields of a request that say which networks steer it by pictures, and their checks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks
from kakusan.request.preprocessors import made_by
from kakusan.request.steered import RESIZE_MODES, PictureFile, pictures_of

# What a net that steers acts on, in words
CONTROL_MODES: Mapping[str, str] = {
    "balanced": "prompt and picture alike",
    "guess": "the text's half alone, what is finer less, as the reference's guess_mode",
    "prompt": "what is finer less: AUTOMATIC1111's 'My prompt is more important'",
    "control": "the text's half alone, what is finer less: its 'ControlNet is more important'",
}
MAX_SCALE = 100.0
MAX_CONTROLS = 20
MAX_TYPE = 63
_LONGEST = 4096
_HASH = re.compile("[0-9a-f]{64}")


class ControlAsked(NamedTuple):
    """A network that steers, as a request asks for it.

    Attributes:
        image: the pictures that it is shown: one, or one for each prompt or each picture.
        model: where the network is from; None for one that was handed in.
        sha256: of its file, where that is known.
        kind: how the picture is made of the one that is given, by the name of a preprocessor (see
            `kakusan.request.preprocessors`); None where it is taken as it is.
        type: of a union of ControlNets the number of what the picture is of.
        scale: what is multiplied by what it gives.
        start, end: the part of the steps, from 0 to 1, in which it acts; none where it ends before
            it starts.
        mode: one of `CONTROL_MODES`.
        resize_mode: how a picture of another shape comes to the size that is drawn, see
            `kakusan.request.steered`.
    """

    image: tuple[PictureFile, ...] | None = None
    model: str | None = None
    sha256: str | None = None
    kind: str | None = None
    type: int | None = None
    scale: float = 1.0
    start: float = 0.0
    end: float = 1.0
    mode: str = "balanced"
    resize_mode: str = "crop"

    def to_record(self) -> dict[str, Any]:
        """As plain JSON; one picture stands alone."""
        found = {name: value for name, value in self._asdict().items() if value is not None}
        if self.image is not None:
            told = [each.to_record() for each in self.image]
            found["image"] = told[0] if len(told) == 1 else told
        return found


@dataclass(frozen=True, kw_only=True)
class ControlledRequest:
    """The networks that steer pictures; None where there are none.

    The networks and the pixels travel beside the request, in `kakusan.inputs.Inputs`, in the same
    order.
    """

    controls: tuple[ControlAsked, ...] | None = None

    def checked_controls(self) -> tuple[ControlAsked, ...] | None:
        """The field as it is stored.

        Raises:
            ArgumentError: It is something else.
        """
        given = cast(object, self.controls)
        if given is None:
            return None
        several = [given] if isinstance(given, ControlAsked | Mapping) else given
        if not isinstance(several, Sequence) or isinstance(several, str | bytes):
            raise _refused(given)
        found = tuple(_asked(each) for each in cast("Sequence[object]", several))
        if len(found) > MAX_CONTROLS:
            raise ArgumentError(
                f"{{controls}}: {len(found)} networks were given; at most {MAX_CONTROLS} are taken"
            )
        return found or None

    def controls_of(self, index: int, per_prompt: int, pictures: int) -> dict[str, Any]:
        """The field where it is another for picture `index` alone."""
        if self.controls is None:
            return {}

        def alone(asked: ControlAsked) -> ControlAsked:
            if asked.image is None:
                return asked
            row = row_of(index, len(asked.image), per_prompt, pictures)
            return asked._replace(image=(asked.image[row],))

        return {"controls": tuple(alone(each) for each in self.controls)}


def row_of(index: int, given: int, per_prompt: int, pictures: int) -> int:
    """Which of the pictures that were given steers picture `index`.

    One is for all; else each is for one picture, or for all of one prompt.
    """
    if given == pictures:
        return index
    return index // per_prompt if given * per_prompt == pictures else index % given


def _asked(given: object) -> ControlAsked:
    if isinstance(given, Mapping):
        told = {str(name): v for name, v in cast("Mapping[object, Any]", given).items()}
        if told.keys() - set(ControlAsked._fields):
            raise _refused(given)
        given = ControlAsked(**{name: value for name, value in told.items() if value is not None})
    if not isinstance(given, ControlAsked):
        raise _refused(given)
    for text in cast("tuple[object, ...]", (given.model, given.kind)):
        if text is not None and not (isinstance(text, str) and 0 < len(text) <= _LONGEST):
            raise _refused(given._asdict())
    if given.sha256 is not None and not (
        isinstance(given.sha256, str) and _HASH.fullmatch(given.sha256)  # pyright: ignore[reportUnnecessaryIsInstance]
    ):
        raise _refused(given._asdict())
    _check_among("mode", given.mode, CONTROL_MODES)
    _check_among("resize_mode", given.resize_mode, RESIZE_MODES)
    return given._replace(
        image=pictures_of("controls", given.image),
        kind=None if given.kind is None else str(made_by(given.kind)),
        type=checks.integer("control_mode", given.type, 0, MAX_TYPE),
        scale=_number("controlnet_conditioning_scale", given.scale, -MAX_SCALE, MAX_SCALE),
        start=_number("control_guidance_start", given.start, 0.0, 1.0),
        end=_number("control_guidance_end", given.end, 0.0, 1.0),
    )


def _number(name: str, value: object, minimum: float, maximum: float) -> float:
    found = checks.number(name, value, minimum, maximum)
    if found is None:
        raise ArgumentError(f"{{{name}}} must be a number, not None; leave it out")
    return found


def _check_among(name: str, value: object, known: Mapping[str, str]) -> None:
    if value not in known:
        raise ArgumentError(
            f"the {name} of {{controls}} must be one of {', '.join(known)}, not {{0}}", shown(value)
        )


def _refused(given: object) -> ArgumentError:
    fields = ", ".join(ControlAsked._fields)
    return ArgumentError(
        f"each of {{controls}} must be a mapping with some of {fields}, not {{0}}", shown(given)
    )
