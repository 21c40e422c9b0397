"""What a caller of the short call says of networks that steer: texts as typed, or mappings."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from typing import Any, NamedTuple, cast

from kakusan.errors import ArgumentError, shown
from kakusan.inputs.controls import ControlInput, ControlPictures, control_pictures
from kakusan.inputs.pictures import Given, given_pictures
from kakusan.models import Model
from kakusan.request import ControlAsked
from kakusan.request.preprocessors import RAW, made_by
from kakusan.request.typed_controls import checked, typed_control

_FIELDS = (*("image", "model", "kind", "type", "scale", "start", "end"), "mode", "resize_mode")


class AskedControls(NamedTuple):
    """Networks that steer: how they do, and what is handed in; in one order."""

    asked: tuple[ControlAsked, ...] | None
    given: tuple[ControlInput, ...]


def asked_controls(value: object) -> AskedControls:
    """What was given as `controls`; nothing for None.

    Each is a text, see `kakusan.request.typed_controls`, or a mapping with `image` and `model`.

    Raises:
        InputError: One is neither, lacks something, or has a picture that is none.
    """
    if value is None:
        return AskedControls(None, ())
    several = [value] if isinstance(value, str | Mapping) else value
    if not isinstance(several, Sequence):
        raise _refused(value)
    pairs = [_pair(each) for each in cast("Sequence[object]", several)]
    return AskedControls(tuple(a for a, _ in pairs) or None, tuple(g for _, g in pairs))


def _pair(value: object) -> tuple[ControlAsked, ControlInput]:
    if isinstance(value, str):
        picture, asked = typed_control(value)
        return asked, ControlInput(None, control_pictures("controls", picture, files=True))
    if not isinstance(value, Mapping):
        raise _refused(value)
    said = {str(k): v for k, v in cast("Mapping[object, Any]", value).items() if v is not None}
    if said.keys() - set(_FIELDS) or "image" not in said or "model" not in said:
        raise _refused(value)
    image, model = said.pop("image"), said.pop("model")
    kind = said.pop("kind", None)
    asked = ControlAsked(**said, kind=None if kind is None else str(made_by(str(kind))))
    for name in ("scale", "start", "end"):
        number = getattr(asked, name)
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise ArgumentError(
                "the {0} of {controls} must be a number, not {1}", name, shown(number)
            )
    asked, pictures = checked(asked), _pictures(image, asked.kind)
    if isinstance(model, Model):
        return asked, ControlInput(cast("Model[Any]", model), pictures)
    if not isinstance(model, str | PathLike):
        raise _refused(value)
    name = fspath(cast("str | PathLike[str]", model))
    return asked._replace(model=name), ControlInput(None, pictures)


def _pictures(image: object, kind: str | None) -> ControlPictures:
    """Numbers are taken as they are, but where a preprocessor needs a picture."""
    if kind in (None, RAW):
        return control_pictures("controls", image, files=True)
    given = given_pictures("controls", image, files=True)
    if given is None or given.latents is not None:
        raise ArgumentError("the image of {controls} must be a picture")
    if given.values is not None:
        from kakusan.images.conversion import to_pil

        given = Given(tuple(to_pil(given.values)), names=given.names)
    return ControlPictures(given)


def _refused(value: object) -> ArgumentError:
    return ArgumentError(
        "each of {controls} must be a text such as 'canny:picture.png@FOLDER:0.8', or a mapping "
        f"with image, model and any of {', '.join(_FIELDS[2:])}, not {{0}}",
        shown(value),
    )
