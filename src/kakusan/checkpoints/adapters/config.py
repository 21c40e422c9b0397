"""What peft's config says of an adapter beside its tensors: alpha, layer by layer."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from kakusan.checkpoints.adapters.names import TEXT, TEXT_2, UNET
from kakusan.checkpoints.files import JSON, read_json
from kakusan.checkpoints.names import text
from kakusan.errors import CheckpointError, shown

KEY = "lora_adapter_metadata"  # of a file's metadata, where the reference keeps it
BESIDE, WEIGHTS = "adapter_config.json", "adapter_model"


@dataclass(frozen=True)
class PeftConfig:
    """Alpha and rank as peft has them.

    Attributes:
        parts: the settings of each part; those under "" are of any.
    """

    parts: Mapping[str, Mapping[str, JSON]] = field(default_factory=dict[str, Mapping[str, JSON]])

    def scale(self, part: str, layer: str, rank: int | None) -> float | None:
        """What a layer's product is multiplied with; None where nothing is said.

        Args:
            layer: its path in our network.
            rank: of its product; None for the config's.
        """
        said = self.parts.get(part, self.parts.get(""))
        if not said:
            return None
        path = layer if part == UNET else f"{text.PREFIX}{layer}"
        alpha = _of_layer(said, "alpha_pattern", path, said.get("lora_alpha", said.get("alpha")))
        rank = rank or _whole(_of_layer(said, "rank_pattern", path, said.get("r")))
        if not isinstance(alpha, int | float) or isinstance(alpha, bool) or not rank:
            return None
        return alpha / (math.sqrt(rank) if said.get("use_rslora") is True else rank)

    def is_on_input(self, part: str, layer: str) -> bool | None:
        """Whether (IA)³ scales a layer's input, not its output; None where nothing is said."""
        modules = self.parts.get(part, self.parts.get("", {})).get("feedforward_modules")
        if not isinstance(modules, list):
            return None
        return any(layer.endswith(each) for each in modules if isinstance(each, str))


def config_of(metadata: Mapping[str, str], path: Path | None, where: str) -> PeftConfig:
    """The config that is in a file's metadata, or beside a file that peft wrote.

    Raises:
        CheckpointError: It is no JSON object.
    """
    if KEY in metadata:
        try:
            value: object = json.loads(metadata[KEY])
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict):
            raise CheckpointError(f"{where}: its metadata {KEY} is no JSON object.")
        return PeftConfig(_parted(cast("dict[str, JSON]", value)))
    if path is not None and path.stem == WEIGHTS and (path.parent / BESIDE).is_file():
        return PeftConfig({"": read_json(path.parent / BESIDE)})
    return PeftConfig()


def _parted(settings: Mapping[str, JSON]) -> dict[str, dict[str, JSON]]:
    parts: dict[str, dict[str, JSON]] = {}
    for key, value in settings.items():
        part, _, name = key.partition(".")
        if part in (UNET, TEXT, TEXT_2) and name:
            parts.setdefault(part, {})[name] = value
        else:
            parts.setdefault("", {})[key] = value
    return parts


def _of_layer(said: Mapping[str, JSON], key: str, path: str, otherwise: JSON) -> JSON:
    """What a pattern says of a layer: patterns are paths, or the ends of paths."""
    patterns = said.get(key)
    for pattern, value in patterns.items() if isinstance(patterns, dict) else ():
        plain = pattern.replace("\\.", ".").removeprefix("^").removesuffix("$")
        plain = plain.removeprefix("(.*\\.)?").removeprefix(".*.")
        if not plain.replace(".", "").replace("_", "").isalnum():
            raise CheckpointError(
                f"{key} of the adapter's config names layers by {shown(pattern)}; kakusan reads "
                "paths and their ends."
            )
        if f".{path}".endswith(f".{plain}"):
            return value
    return otherwise


def _whole(value: JSON) -> int | None:
    return value if type(value) is int and value > 0 else None
