"""sd-webui-controlnet's units, as `alwayson_scripts` and `/controlnet/detect` have them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from kakusan.errors import shown
from kakusan.request.preprocessors import PREPROCESSORS, RAW, Parameter, made_by
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.values import READERS

_NONE = ("", "none")
_HASH = re.compile(r"\s*\[[0-9a-fA-F]{6,64}\]$")
_MODES = ("balanced", "prompt", "control")
_MODE_WORDS = {
    "balanced": "balanced",
    "my prompt is more important": "prompt",
    "controlnet is more important": "control",
}
_RESIZES = ("stretch", "crop", "fill")
_RESIZE_WORDS = {
    "just resize": "stretch",
    "crop and resize": "crop",
    "resize and fill": "fill",
    "scale to fit (inner fit)": "crop",
    "inner fit (scale to fit)": "crop",
    "envelope (outer fit)": "fill",
    "outer fit (shrink to fit)": "fill",
}
# Of no account: how it saves memory, shows things, or what another field says
_ALSO = frozenset(
    {
        *("enabled", "module", "model", "weight", "image", "input_image", "mask", "mask_image"),
        *("resize_mode", "control_mode", "guidance_start", "guidance_end", "threshold_a"),
        *("threshold_b", "processor_res", "pixel_perfect", "hr_option", "guessmode"),
        *("low_vram", "lowvram", "is_ui", "input_mode", "save_detected_map", "output_dir"),
        *("use_preview_as_input", "generated_image", "loopback", "batch_images"),
    }
)
_THRESHOLDS = ("threshold_a", "threshold_b")


class Unit(NamedTuple):
    """A network that steers, as it is asked for.

    Attributes:
        image: base64 of its picture; None where that is the one that is drawn over.
        asked: the rest, under the names of `controls` of a request.
        ignored: what of it counts for nothing.
    """

    image: str | None
    asked: Mapping[str, Any]
    ignored: tuple[str, ...]


def units(args: object) -> list[Unit]:
    """The units that are on.

    Raises:
        ApiError: One has a value that is not there, or lacks its model.
    """
    if not isinstance(args, list):
        raise refused("the args of ControlNet must be a list of units")
    several = [each for each in cast("list[object]", args) if each]
    return [unit for i, each in enumerate(several) if (unit := _unit(i, each)) is not None]


def _unit(index: int, sent: object) -> Unit | None:
    name = f"ControlNet unit {index}"
    if not isinstance(sent, dict):
        raise refused(f"{name} must be an object, not {shown(sent)}")
    said = {k: v for k, v in cast("dict[str, Any]", sent).items() if v is not None}
    if not _read(name, said, "enabled", "bool", True):
        return None
    model = _HASH.sub("", _read(name, said, "model", "str", "None").strip())
    if model.casefold() in _NONE:
        raise refused(f"{name} names no model; see /controlnet/model_list, or set enabled to false")
    image, mask = picture_in(said)
    if mask:
        raise refused(f"{name} has a mask, which kakusan's ControlNets do not take; leave it out")
    kind, ignored = kind_of(name, said)
    asked = {
        "model": model,
        "kind": kind,
        "scale": _read(name, said, "weight", "float", 1.0),
        "start": _read(name, said, "guidance_start", "float", 0.0),
        "end": _read(name, said, "guidance_end", "float", 1.0),
        "mode": _one_of(name, "control_mode", said.get("control_mode", 0), _MODES, _MODE_WORDS),
        "resize_mode": _one_of(
            name, "resize_mode", said.get("resize_mode", 1), _RESIZES, _RESIZE_WORDS
        ),
    }
    if str(said.get("hr_option", "Both")).casefold() not in ("both", "hiresfixoption.both"):
        raise refused(f"{name}: hr_option may be Both here, not {shown(said['hr_option'])}")
    ignored += [each for each in said if each not in _ALSO]
    return Unit(image or None, asked, tuple(f"{name}: {each}" for each in ignored))


def kind_of(name: str, said: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The preprocessor with its numbers, and what of it counts for nothing.

    A threshold that is out of range is the usual one, as it is there.

    Raises:
        ApiError: There is none of the name.
    """
    module = _read(name, said, "module", "str", RAW).strip()
    kind = module_named(module)
    parameters = PREPROCESSORS[kind].parameters
    values: list[float] = []
    ignored: list[str] = []
    for field, parameter in zip(_THRESHOLDS, parameters, strict=False):
        value = _read(name, said, field, "float", -1.0)
        fits = parameter.lowest <= value <= parameter.highest
        values.append(value if fits else parameter.usual)
        ignored += [] if fits or value < 0 else [field]
    exact = _read(name, said, "pixel_perfect", "bool", False)
    if kind != RAW and not exact and said.get("processor_res", -1) not in (-1, 0):
        ignored.append("processor_res")  # pictures are looked at in the size that is drawn
    numbers = ",".join(f"{value:g}" for value in values)
    return str(made_by(f"{kind}={numbers}" if numbers else kind)), ignored


def module_named(module: str) -> str:
    """The preprocessor of a name of the extension's or of kakusan's."""
    if module.casefold() in _NONE:
        return RAW
    for kind, each in PREPROCESSORS.items():
        if each.webui == module:
            return kind
    return made_by(module.partition("=")[0]).name


def module_list() -> dict[str, Any]:
    """As GET /controlnet/module_list has them."""
    listed = {each.webui: each for each in PREPROCESSORS.values() if each.webui != "none"}
    return {
        "module_list": ["none", *listed],
        "module_detail": {
            "none": {"model_free": False, "sliders": []},
            **{
                name: {"model_free": False, "sliders": [_slider(p) for p in each.parameters]}
                for name, each in listed.items()
            },
        },
    }


def control_type(models: Sequence[str]) -> dict[str, Any]:
    """One of GET /controlnet/control_types, with all preprocessors."""
    return {
        "module_list": module_list()["module_list"],
        "model_list": list(models),
        "default_option": RAW,
        "default_model": models[0],
    }


def _slider(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "value": parameter.usual,
        "min": parameter.lowest,
        "max": parameter.highest,
        "step": 0.01,
    }


def picture_in(said: Mapping[str, Any]) -> tuple[str, str]:
    """The picture of a unit and its mask, which may stand together; "" where there is none."""
    image, mask = said.get("image") or said.get("input_image"), said.get("mask")
    if isinstance(image, dict):
        pair = cast("dict[str, Any]", image)
        image, mask = pair.get("image"), mask or pair.get("mask")
    return str(image or ""), str(mask or said.get("mask_image") or "")


def _one_of(
    name: str, field: str, sent: object, numbered: tuple[str, ...], words: Mapping[str, str]
) -> str:
    if isinstance(sent, str) and sent.casefold() in words:
        return words[sent.casefold()]
    if isinstance(sent, int) and not isinstance(sent, bool) and 0 <= sent < len(numbered):
        return numbered[sent]
    known = ", ".join(list(words)[: len(numbered)])
    raise refused(f"{name}: {field} must be one of {known}, not {shown(sent)}")


def _read(name: str, said: Mapping[str, Any], field: str, kind: str, default: Any) -> Any:
    if field not in said:
        return default
    try:
        return READERS[kind](said[field])
    except (TypeError, ValueError, OverflowError):
        raise refused(f"{name}: {field} cannot be {shown(said[field])}") from None
