"""The field of a request that says how a picture is drawn again, larger: AUTOMATIC1111's hires fix.

A first pass draws the picture at the size that the request says, and a second one begins at it,
made larger.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple, Self, cast

from kakusan.errors import ArgumentError, check_no_unknown, shown
from kakusan.request import checks
from kakusan.request.upscalers import UPSCALERS, Upscaler, upscaler_called

DEFAULT_SCALE = 2.0
DEFAULT_UPSCALER = "Latent"
SECOND_STRENGTH = 0.7
MAX_SCALE = 16.0
MAX_GUIDANCE = 1000.0
MOST_OF_ALL = 0.999  # of a picture that is to be replaced wholly, AUTOMATIC1111 keeps as much
Texts = tuple[str | None, ...]


class Enlargement(NamedTuple):
    """From one size to a larger one.

    Attributes:
        width, height: that the picture is made as large as, in pixels.
        columns, rows: of latents, that are cut off from it then.
        factor: pixels along a side of a latent.
    """

    width: int
    height: int
    columns: int
    rows: int
    factor: int

    @property
    def latents(self) -> tuple[int, int]:
        """Rows and columns of what is left."""
        return self.height // self.factor - self.rows, self.width // self.factor - self.columns

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture, in pixels."""
        rows, columns = self.latents
        return columns * self.factor, rows * self.factor

    @property
    def kept(self) -> tuple[slice, slice]:
        """Which rows and which columns of latents are left; of an odd rest the end has more."""
        rows, columns = self.height // self.factor, self.width // self.factor
        return (
            slice(self.rows // 2, rows - (self.rows + 1) // 2),
            slice(self.columns // 2, columns - (self.columns + 1) // 2),
        )


@dataclass(frozen=True, kw_only=True)
class SecondPass:
    """How the second pass is drawn; what is None is as in the first.

    The picture is made `scale` times as large, or to `width` and `height`: one of them keeps its
    shape, and both cut off what is beyond. `upscaler` is one of `UPSCALERS`. `steps` are those that
    are taken, as many as in the first pass where not given; `strength` is how far to go back
    towards noise, above 0 and up to 1. `prompt` and `negative_prompt` are one text for all
    pictures, or as many as the request has prompts.

    Raises:
        ArgumentError: A value is out of its range or contradicts another.
    """

    scale: float | None = None
    width: int | None = None
    height: int | None = None
    upscaler: str = DEFAULT_UPSCALER
    steps: int | None = None
    strength: float = SECOND_STRENGTH
    prompt: Texts | None = None
    negative_prompt: Texts | None = None
    scheduler: str | Mapping[str, Any] | None = field(default=None)
    guidance_scale: float | None = None

    def __post_init__(self) -> None:
        try:
            found: dict[str, Any] = {
                "width": checks.size("width", self.width),
                "height": checks.size("height", self.height),
                "scale": checks.number("scale", self.scale, 0.0, MAX_SCALE),
                "steps": checks.integer("steps", self.steps, 1, checks.MAX_STEPS),
                "strength": checks.number("strength", self.strength, 0.0, 1.0),
                "guidance_scale": checks.number(
                    "guidance_scale", self.guidance_scale, 0.0, MAX_GUIDANCE
                ),
                "scheduler": checks.scheduler(self.scheduler),
                "prompt": _texts("prompt", self.prompt),
                "negative_prompt": _texts("negative_prompt", self.negative_prompt),
            }
        except ArgumentError as error:
            raise _of_the_pass(error) from None
        found["upscaler"] = upscaler_called(self.upscaler)
        found["scale"] = self._checked_scale(found["scale"])
        if not found["strength"]:
            raise ArgumentError(
                "the strength of {second_pass} must be above 0 and up to 1, not {0}: at 0, nothing "
                "is drawn again",
                shown(self.strength),
            )
        for name, value in found.items():
            object.__setattr__(self, name, value)

    def _checked_scale(self, scale: float | None) -> float | None:
        has_size = self.width is not None or self.height is not None
        if scale is None:
            return None if has_size else DEFAULT_SCALE
        if has_size:
            raise ArgumentError("{second_pass} has a scale and a size; give one of them")
        if scale <= 1:
            raise ArgumentError(
                "the scale of {second_pass} must be above 1, not {0:g}, as it makes a picture "
                "larger",
                scale,
            )
        return scale

    @property
    def how(self) -> Upscaler:
        """What makes the picture larger."""
        return UPSCALERS[self.upscaler]

    def ladder(self, steps: int) -> int:
        """Of how many steps those of the second pass are the last; AUTOMATIC1111's rule."""
        return int(steps / min(self.strength, MOST_OF_ALL))

    def enlargement(self, width: int, height: int, factor: int = checks.SIZE_STEP) -> Enlargement:
        """From the first pass's size to the second's.

        Args:
            factor: pixels along a side of a latent.

        Raises:
            ArgumentError: It is not larger, or larger than what is drawn.
        """
        to = self._covering(width, height)
        asked = to
        if self.width is not None and self.height is not None:
            asked = (self.width, self.height)
        cut = [(covering - side) // factor for covering, side in zip(to, asked, strict=True)]
        found = Enlargement(*to, cut[0], cut[1], factor)
        if to[0] < width or to[1] < height or to == (width, height):
            raise ArgumentError(
                "{second_pass} is of {0}x{1} pixels, which is not larger than the first pass of "
                "{2}x{3}; take a larger size, or leave it out",
                *asked,
                width,
                height,
            )
        if max(found.size) > checks.MAX_SIZE or max(to) > 2 * checks.MAX_SIZE:
            raise ArgumentError(
                f"{{second_pass}} is of {{0}}x{{1}} pixels; at most {checks.MAX_SIZE} are drawn "
                "along a side",
                *found.size,
            )
        return found

    def _covering(self, width: int, height: int) -> tuple[int, int]:
        """As large as the picture becomes before anything is cut off, in its own shape."""
        if self.scale is not None:
            return int(width * self.scale), int(height * self.scale)
        along_width = self.height is None or (
            self.width is not None and width / height < self.width / self.height
        )
        if along_width:
            return self.width or 0, (self.width or 0) * height // width
        return (self.height or 0) * width // height, self.height or 0

    def of_prompt(self, index: int) -> Self:
        """The same for the prompt of this number alone."""
        found: dict[str, Any] = {}
        for name in ("prompt", "negative_prompt"):
            texts: Texts | None = getattr(self, name)
            if texts is not None and len(texts) > 1:
                found[name] = (texts[index],)
        return replace(self, **found) if found else self

    def to_record(self) -> dict[str, Any]:
        """As plain JSON; what is as in the first pass is left out, and one text stands alone."""
        found: dict[str, Any] = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if value is None:
                continue
            if each.name in ("prompt", "negative_prompt"):
                value = value[0] if len(value) == 1 else list(value)
            found[each.name] = dict(value) if isinstance(value, Mapping) else value
        return found


@dataclass(frozen=True, kw_only=True)
class EnlargedRequest:
    """A picture that is drawn a second time, larger; None where it is drawn once."""

    second_pass: SecondPass | None = None

    def checked_second_pass(self, prompts: int) -> SecondPass | None:
        """The field as it is stored.

        Args:
            prompts: how many the request has.

        Raises:
            ArgumentError: It is not what it should be.
        """
        found = second_pass_of(self.second_pass)
        for name in ("prompt", "negative_prompt"):
            texts: Texts | None = None if found is None else getattr(found, name)
            if texts is not None and len(texts) not in (1, prompts):
                raise ArgumentError(
                    f"the {name} of {{second_pass}} is {{0}} texts, and {{prompt}} is {{1}}; give "
                    "one for all prompts, or as many as prompts",
                    len(texts),
                    prompts,
                )
        return found

    def enlarged(self, width: int, height: int, factor: int = checks.SIZE_STEP) -> tuple[int, int]:
        """The width and height of what comes out of passes that begin with these."""
        if self.second_pass is None:
            return width, height
        return self.second_pass.enlargement(width, height, factor).size


def second_pass_of(given: object) -> SecondPass | None:
    """What a caller asks for: a mapping of its settings, or only the scale.

    Raises:
        ArgumentError: It is something else.
        UnknownArgumentError: It has no such setting.
    """
    if given is None or isinstance(given, SecondPass):
        return given
    if isinstance(given, int | float) and not isinstance(given, bool):
        return SecondPass(scale=given)
    if not isinstance(given, Mapping):
        raise ArgumentError(
            "{second_pass} must be how many times larger, or a mapping such as {0}, not {1}",
            '{"scale": 2, "upscaler": "Latent", "strength": 0.7}',
            shown(given),
        )
    told = {str(key): value for key, value in cast("Mapping[object, Any]", given).items()}
    known = [each.name for each in fields(SecondPass)]
    check_no_unknown("a second pass", (name for name in told if name not in known), known)
    for name in ("prompt", "negative_prompt"):
        if isinstance(text := told.get(name), Sequence) and not isinstance(text, str):
            told[name] = tuple(cast("Sequence[Any]", text))
    return SecondPass(**{name: value for name, value in told.items() if value is not None})


def _texts(name: str, given: object) -> Texts | None:
    found = None if given is None else checks.texts(name, given)
    if found is not None and None in found:
        raise ArgumentError(f"{{{name}}} must be a text, not None")
    return found


def _of_the_pass(error: ArgumentError) -> ArgumentError:
    """The same error, of a setting of the second pass."""
    template = error.template
    for each in fields(SecondPass):
        template = template.replace(f"{{{each.name}}}", f"the {each.name} of {{second_pass}}")
    return ArgumentError(template, *error.values)
