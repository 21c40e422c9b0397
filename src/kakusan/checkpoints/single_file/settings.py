"""What a caller says of a single file, or a training's config beside it, in place of guesses."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kakusan.checkpoints.files import JSON, read_text
from kakusan.checkpoints.single_file.prediction import EPSILON, KINDS, V
from kakusan.errors import CheckpointError, RequestError, shown, shown_path

_LINE = re.compile(r"\s*-?\s*([A-Za-z_]+)\s*:\s*[\"']?([^#\"'\s]+)")
_NUMBERS = (
    *("num_heads", "num_head_channels", "image_size", "scale_factor", "linear_start"),
    *("linear_end", "timesteps", "in_channels", "context_dim"),
)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is said of a file.

    Attributes:
        prediction_type: of the UNet.
        image_size: of the pictures that it was trained on.
        num_in_channels: what the caller thinks that the UNet takes.
        scaling_factor: of the latents.
        heads: of every level's attention; None for what the family has.
        head_channels: of each head, in place of their number.
        betas: first and last.
        configs: published configs by part, which count more than what shapes tell.
        where: what said them.
    """

    prediction_type: str | None = None
    image_size: int | None = None
    num_in_channels: int | None = None
    scaling_factor: float | None = None
    heads: int | None = None
    head_channels: int | None = None
    betas: tuple[float, float] | None = None
    configs: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict[str, Any])
    where: str = "config"

    def __post_init__(self) -> None:
        if self.prediction_type is not None and self.prediction_type not in KINDS:
            raise RequestError(
                f"prediction_type is {shown(self.prediction_type)}; it must be one of "
                f"{', '.join(KINDS)}"
            )
        size = self.image_size
        if size is not None and (type(size) is not int or size % 8 or not 8 <= size <= 8192):
            raise RequestError(f"image_size must be a multiple of 8 up to 8192, not {shown(size)}")
        channels = self.num_in_channels
        if channels is not None and type(channels) is not int:
            raise RequestError(f"num_in_channels must be a whole number, not {shown(channels)}")
        factor = self.scaling_factor
        if factor is not None and not (type(factor) in (int, float) and 0 < factor < 1e6):
            raise RequestError(f"scaling_factor must be a positive number, not {shown(factor)}")


def of_training(path: Path) -> dict[str, Any]:
    """What a training's YAML says, as fields of `Settings`: the lines that change the picture.

    Raises:
        CheckpointError: It is no such file.
    """
    if path.suffix.casefold() not in (".yaml", ".yml") or not path.is_file():
        raise CheckpointError(
            f"original_config must be a .yaml file that is here, not {shown_path(path)}."
        )
    told: dict[str, str] = {}
    for line in read_text(path).splitlines():
        if match := _LINE.match(line):
            told.setdefault(match[1], match[2])  # the diffusion's own come first
    if "model" not in read_text(path):
        raise CheckpointError(f"{shown_path(path)} is no config of a Stable Diffusion training.")
    numbers = {key: _number(told[key], key, path) for key in _NUMBERS if key in told}
    found: dict[str, Any] = {}
    if "parameterization" in told:
        kind = {"v": V, "eps": EPSILON, "x0": "sample"}.get(told["parameterization"])
        if kind is None:
            raise CheckpointError(
                f"{shown_path(path)}: parameterization is {shown(told['parameterization'])}; it "
                "must be eps, v or x0."
            )
        found["prediction_type"] = kind
    for key, ours in (("num_heads", "heads"), ("num_head_channels", "head_channels")):
        if numbers.get(key, -1) > 0:
            found[ours] = int(numbers[key])
    if "scale_factor" in numbers:
        found["scaling_factor"] = numbers["scale_factor"]
    if "linear_start" in numbers and "linear_end" in numbers:
        found["betas"] = (numbers["linear_start"], numbers["linear_end"])
    return found


def _number(text: str, key: str, path: Path) -> float:
    try:
        return float(text)
    except ValueError:
        raise CheckpointError(f"{shown_path(path)}: {key} is {shown(text)}, no number.") from None


def beside(path: Path) -> Path | None:
    """The training's config of the same name beside a file, where there is one."""
    found = path.with_suffix(".yaml")
    return found if found != path and found.is_file() else None
