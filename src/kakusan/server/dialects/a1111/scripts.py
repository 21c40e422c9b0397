"""What a call says of AUTOMATIC1111's scripts: ControlNet is there, the others are not."""

from collections.abc import Mapping
from typing import Any, cast

from kakusan.errors import shown
from kakusan.server.dialects.a1111.controls import Unit, units
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.values import Body

_CONTROLNET = "controlnet"
_NO_SCRIPT = ("", "none")
_SEED_RESIZE = ("seed_resize_from_w", "seed_resize_from_h")
# Parts of the web UI's own page that are scripts, to the fields that their values count before
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "sampler": ("steps", "sampler_name", "scheduler"),
    "seed": ("seed", "", "subseed", "subseed_strength", *_SEED_RESIZE),
}
_EXTRAS = 1  # of the values of "seed", the one that says whether those behind it count


def with_fields_of_scripts(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A call with the fields that are said as values of scripts."""
    scripts, found = sent.get("alwayson_scripts"), dict(sent)
    for name, each in cast("dict[str, Any]", scripts if isinstance(scripts, dict) else {}).items():
        fields, args = _FIELDS.get(name.casefold(), ()), _args(name, each)
        if name.casefold() == "seed" and len(args) > _EXTRAS and not args[_EXTRAS]:
            args = args[:_EXTRAS]
        told = zip(fields, args, strict=False)
        found |= {field: value for field, value in told if field and value is not None}
    return found


def asked_units(body: Body) -> list[Unit]:
    """The networks that are to steer.

    Raises:
        ApiError: Another script is to do something.
    """
    name = body["script_name"]
    if name is not None and name.strip().casefold() not in _NO_SCRIPT:
        raise refused(f"Script '{shown(name)[1:-1]}' not found: kakusan has none; leave it out")
    found: list[Unit] = []
    for script, sent in body["alwayson_scripts"].items():
        args = _args(script, sent)
        if script.casefold() in _FIELDS:
            continue
        if script.casefold() == _CONTROLNET:
            found += units(args)
        elif is_active(args):
            raise refused(
                f"always on script {shown(script)} not found: kakusan has ControlNet alone; leave "
                "it out"
            )
    return found


def inactive(body: Body) -> tuple[str, ...]:
    """The names of scripts that are not there, and that were not to do anything."""
    known = (_CONTROLNET, *_FIELDS)
    names = (each for each in body["alwayson_scripts"] if each.casefold() not in known)
    return tuple(f"alwayson_scripts.{name}" for name in names)


def is_active(args: list[Any]) -> bool:
    """Whether a script would do something: most of them are off where their first value is."""
    first = args[0] if args else None
    if isinstance(first, dict):
        said = cast("dict[str, Any]", first)
        return bool(said.get("enabled", said.get("enable", True)))
    return bool(first)


def _args(script: str, sent: object) -> list[Any]:
    if sent is None:
        return []
    args = cast("dict[str, Any]", sent).get("args") if isinstance(sent, dict) else sent
    if args is None:
        return []
    if isinstance(args, dict):  # one unit alone
        return [args]
    if not isinstance(args, list):
        raise refused(f"the args of {shown(script)} must be a list, not {shown(args)}")
    return cast("list[Any]", args)
