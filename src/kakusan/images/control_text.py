"""How sd-webui-controlnet writes networks that steer into AUTOMATIC1111's text."""

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import cast

# kakusan's preprocessors by its names, where they are others
_MODULES = {
    "none": "none",
    "tile": "none",
    "scribble": "scribble_canny",
    "recolor": "recolor_luminance",
    "inpaint": "inpaint_only",
    "invert": "invert (from white bg & black line)",
    "blur": "blur_gaussian",
}
_MODES = {
    "balanced": "Balanced",
    "guess": "ControlNet is more important",
    "control": "ControlNet is more important",
    "prompt": "My prompt is more important",
}
_RESIZES = {"stretch": "Just Resize", "crop": "Crop and Resize", "fill": "Resize and Fill"}
_FILES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")


def control_settings(record: Mapping[str, object]) -> dict[str, object]:
    """Under "ControlNet 0" and so on what a record tells of each network."""
    controls = record.get("controls")
    several = cast("list[object]", controls) if isinstance(controls, list) else []
    told = [cast("Mapping[str, object]", each) for each in several if isinstance(each, Mapping)]
    return {f"ControlNet {i}": ", ".join(_pieces(each)) for i, each in enumerate(told)}


def _pieces(told: Mapping[str, object]) -> Iterator[str]:
    name, _, numbers = str(told.get("kind") or "none").partition("=")
    yield f"Module: {_MODULES.get(name, name)}"
    yield f"Model: {_model(told.get('model'))}"
    yield f"Weight: {_number(told.get('scale', 1.0))}"
    yield f"Resize Mode: {_RESIZES.get(str(told.get('resize_mode')), 'Crop and Resize')}"
    for letter, number in zip("AB", numbers.split(",") if numbers else (), strict=False):
        yield f"Threshold {letter}: {number}"
    yield f"Guidance Start: {_number(told.get('start', 0.0))}"
    yield f"Guidance End: {_number(told.get('end', 1.0))}"
    yield "Pixel Perfect: True"
    yield f"Control Mode: {_MODES.get(str(told.get('mode')), 'Balanced')}"


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def _model(name: object) -> str:
    """The last part alone; folders are nobody's business. Commas would end it."""
    if not isinstance(name, str):
        return "None"
    path = PurePath(name.replace("\\", "/"))
    last = path.stem if path.suffix.casefold() in _FILES else path.name
    return last.replace(",", " ").replace(":", " ")
