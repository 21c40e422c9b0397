"""What a control picture is made of the one that is given: the names that a request may say.

`kakusan.images.preprocessing` does it. None of them needs a model.
"""

import difflib
import math
from collections.abc import Mapping
from typing import NamedTuple

from kakusan.errors import ArgumentError, shown


class Parameter(NamedTuple):
    """A number that a preprocessor takes.

    Attributes:
        usual: where none is given.
        lowest, highest: the ends of what is allowed.
    """

    name: str
    usual: float
    lowest: float
    highest: float


class Preprocessor(NamedTuple):
    """One way to make a control picture.

    Attributes:
        does: in a few words.
        type: of a union of ControlNets the number of what it gives; None where there is none.
        webui: what sd-webui-controlnet calls it.
    """

    does: str
    parameters: tuple[Parameter, ...] = ()
    type: int | None = None
    webui: str = "none"


_GAMMA = (Parameter("gamma", 1.0, 0.1, 10.0),)
PREPROCESSORS: Mapping[str, Preprocessor] = {
    "none": Preprocessor("the picture as it is: a control picture already"),
    "canny": Preprocessor(
        "edges, a pixel wide",
        (Parameter("low", 100.0, 0.0, 4080.0), Parameter("high", 200.0, 0.0, 4080.0)),
        3,
        "canny",
    ),
    "scribble": Preprocessor(
        "thick lines along edges, the short ones left out",
        (Parameter("low", 100.0, 0.0, 4080.0), Parameter("high", 200.0, 0.0, 4080.0)),
        2,
    ),
    "scribble_xdog": Preprocessor(
        "lines where a picture is darker than around",
        (Parameter("threshold", 32.0, 1.0, 254.0),),
        2,
        "scribble_xdog",
    ),
    "tile": Preprocessor("the picture as it is, for nets of tiles", (), 6),
    "tile_resample": Preprocessor(
        "the picture, so many times smaller and enlarged again",
        (Parameter("rate", 2.0, 1.0, 64.0),),
        6,
        "tile_resample",
    ),
    "recolor": Preprocessor("its lightness, as grey", _GAMMA, None, "recolor_luminance"),
    "recolor_intensity": Preprocessor(
        "its strongest colour, as grey", _GAMMA, None, "recolor_intensity"
    ),
    "inpaint": Preprocessor(
        "the picture, with -1 where it is to be painted", (), 7, "inpaint_only"
    ),
    "invert": Preprocessor("the negative", (), None, "invert (from white bg & black line)"),
    "threshold": Preprocessor(
        "white where all colours are above a level",
        (Parameter("level", 127.0, 0.0, 255.0),),
        None,
        "threshold",
    ),
    "blur": Preprocessor(
        "the picture, blurred", (Parameter("sigma", 9.0, 0.01, 64.0),), 6, "blur_gaussian"
    ),
}
RAW = "none"
_ALSO: Mapping[str, str] = {
    "raw": RAW,
    "hint": RAW,
    "recolour": "recolor",
    "recolor_luminance": "recolor",
    "recolour_luminance": "recolor",
    "recolour_intensity": "recolor_intensity",
    "scribble_canny": "scribble",
    "xdog": "scribble_xdog",
    "inpaint_only": "inpaint",
    "inpaint_global_harmonious": "inpaint",
    "blur_gaussian": "blur",
    "tile_none": "tile",
}
# What other tools have a network for
_NEEDS_A_MODEL = frozenset(
    (
        *("depth", "openpose", "pose", "dw_openpose_full", "hed", "softedge", "pidinet", "teed"),
        *("lineart", "lineart_anime", "mlsd", "normal", "normalbae", "seg", "segment", "zoe"),
        *("depth_midas", "depth_zoe", "depth_leres", "depth_anything", "midas", "leres"),
        *("lineart_realistic", "lineart_coarse", "softedge_hed", "softedge_pidinet", "densepose"),
        *("scribble_hed", "scribble_pidinet", "fake_scribble", "reference_only", "shuffle"),
    )
)


class Made(NamedTuple):
    """A preprocessor with its numbers."""

    name: str
    values: tuple[float, ...]

    def __str__(self) -> str:
        """As a request says it: the numbers that are usual are left out."""
        usual = tuple(each.usual for each in PREPROCESSORS[self.name].parameters)
        if self.values == usual:
            return self.name
        return f"{self.name}={','.join(f'{value:g}' for value in self.values)}"


def made_by(kind: str) -> Made:
    """A preprocessor by any of its names, with its numbers: "canny", or "canny=50,150".

    Raises:
        ArgumentError: There is none of this name, or it has no such numbers.
    """
    said, _, numbers = kind.partition("=")
    name = said.strip().casefold().replace("-", "_").replace(" ", "_")
    name = _ALSO.get(name, name)
    if name not in PREPROCESSORS:
        raise _unknown(said, name)
    parameters = PREPROCESSORS[name].parameters
    given = [each.strip() for each in numbers.split(",")] if numbers else []
    if len(given) > len(parameters):
        takes = ", ".join(each.name for each in parameters) or "no number"
        raise ArgumentError(
            "the preprocessor {0} of {controls} takes {1}, not {2}", name, takes, shown(numbers)
        )
    values = [_number(name, p, text) for p, text in zip(parameters, given, strict=False)]
    return Made(name, (*values, *(each.usual for each in parameters[len(values) :])))


def _number(kind: str, parameter: Parameter, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not parameter.lowest <= value <= parameter.highest:
        raise ArgumentError(
            "the {0} of {1} in {controls} must be a number from {2} to {3}, not {4}",
            *(parameter.name, kind, f"{parameter.lowest:g}", f"{parameter.highest:g}", shown(text)),
        )
    return value


def _unknown(said: str, name: str) -> ArgumentError:
    if name in _NEEDS_A_MODEL:
        return ArgumentError(
            "{controls}: the preprocessor {0} needs a network, which kakusan does not have; give "
            "its picture, made with another tool, as none:PICTURE",
            shown(said),
        )
    near = difflib.get_close_matches(name, [*PREPROCESSORS, *_ALSO], n=1, cutoff=0.6)
    guess = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(PREPROCESSORS)}"
    return ArgumentError(f"{{controls}}: there is no preprocessor {{0}}{guess}", shown(said))
