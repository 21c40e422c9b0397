"""What one thing is that can be drawn with: its name for clients, and where it lies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from kakusan.checkpoints.facts import INDEX
from kakusan.checkpoints.hash_cache import HashCache
from kakusan.checkpoints.identification import facts_of
from kakusan.checkpoints.single_file.header import read_header
from kakusan.errors import CheckpointError, InputError

Kind = Literal["model", "lora", "controlnet", "embedding", "vae", "upscaler", "ip_adapter"]
KINDS: tuple[Kind, ...] = (
    *("model", "lora", "controlnet", "embedding", "vae", "upscaler", "ip_adapter"),
)
SHORT = 10  # digits of the SHA-256 that AUTOMATIC1111 tells a file by
_DEFAULTS = "kakusan.json"  # what a model's folder says of its own good defaults
_SMALL = 2**22  # bytes that are hashed where they are asked for
_FAMILIES = {
    "Stable Diffusion 1": "v1",
    "Stable Diffusion 2": "v2",
    "SDXL": "xl",
    "CosXL": "xl",
    "Playground": "xl",
}
_SIDES = {"v1": 512, "v2": 768, "xl": 1024}


@dataclass(frozen=True, eq=False)
class Entry:
    """One thing that can be drawn with.

    Attributes:
        name: what clients call it, never a path; one of a kind has it.
        source: what the pipeline takes it by: a path, a Hub id, or "builtin".
        path: of its file or folder; None of what is not one on this disk. It never leaves the
            process.
        fetched: whether the owner named it, so that it may be fetched from the Hub.
    """

    name: str
    kind: Kind
    source: str
    path: Path | None = None
    fetched: bool = False
    _hashes: HashCache | None = field(default=None, repr=False)

    @property
    def title(self) -> str:
        """As AUTOMATIC1111 shows it: the file's name, and ten digits of its hash if known."""
        digest = self.sha256
        return self.file_name if digest is None else f"{self.file_name} [{digest[:SHORT]}]"

    @property
    def file_name(self) -> str:
        """The name of its file with the suffix; its name where it is none."""
        return self.path.name if self.path is not None and self.path.is_file() else self.name

    @property
    def sha256(self) -> str | None:
        """Of its file; None where that is none, or not known yet: see `Catalog.hash_files`."""
        if self.path is None or self._hashes is None or not self.path.is_file():
            return None
        try:
            small = self.path.stat().st_size <= _SMALL
            return self._hashes.of(self.path)["sha256"] if small else self._known()
        except (OSError, InputError):
            return None

    @property
    def short_hash(self) -> str | None:
        """The ten digits that AUTOMATIC1111 tells it by; None where they are not known yet."""
        return None if self.sha256 is None else self.sha256[:SHORT]

    def hash(self) -> None:
        """Read its file, so that its hashes are known."""
        if self.path is not None and self._hashes is not None and self.path.is_file():
            self._hashes.of(self.path)

    def _known(self) -> str | None:
        assert self.path is not None
        assert self._hashes is not None
        return self._hashes.of(self.path)["sha256"] if self._hashes.knows(self.path) else None

    @property
    def family(self) -> str | None:
        """ "v1", "v2" or "xl"; for others what people call them; None where nothing tells."""
        return self._facts[0]

    @property
    def prediction(self) -> str | None:
        """What the network of a model predicts, where its files say so."""
        return self._facts[1]

    @property
    def width(self) -> int | None:
        """Of the pictures that a model draws where no size is asked for."""
        return self._side

    @property
    def height(self) -> int | None:
        """Likewise."""
        return self._side

    @property
    def steps(self) -> int | None:
        """That a model's folder says are good for it."""
        return self._whole("num_inference_steps")

    @property
    def img2img_steps(self) -> int | None:
        """Likewise, where a drawing begins at a picture and so takes a part of them."""
        found = self._whole("img2img_steps")
        return self.steps if found is None else found

    @property
    def guidance(self) -> float | None:
        """Likewise."""
        found = self._defaults.get("guidance_scale")
        return float(found) if isinstance(found, int | float) else None

    def _whole(self, name: str) -> int | None:
        found = self._defaults.get(name)
        return found if isinstance(found, int) else None

    @property
    def scheduler(self) -> str | None:
        """The class of a model's own scheduler, where its folder names it."""
        found = self._config("scheduler", "scheduler_config.json").get("_class_name")
        return found if isinstance(found, str) else None

    @cached_property
    def aliases(self) -> tuple[str, ...]:
        """Other names that it is found by: what a LoRA's trainer called it."""
        if self.kind != "lora" or self.path is None:
            return ()
        try:
            said = read_header(self.path).metadata.get("ss_output_name", "")
        except (CheckpointError, OSError):
            return ()
        return (said,) if said else ()

    @cached_property
    def _facts(self) -> tuple[str | None, str | None]:
        if self.source == "builtin":
            return "builtin", "v_prediction"
        if self.path is None:
            return None, None
        try:
            facts = facts_of(self.path)
        except (CheckpointError, OSError):
            return None, None
        family = facts.family or ""
        known = (short for name, short in _FAMILIES.items() if family.startswith(name))
        return next(known, facts.family), facts.prediction

    @cached_property
    def _side(self) -> int | None:
        if self.kind != "model":
            return None
        side = self._config("unet", "config.json").get("sample_size")
        blocks = self._config("vae", "config.json").get("block_out_channels")
        if isinstance(side, int) and isinstance(blocks, list):
            return side * 2 ** (len(cast("list[object]", blocks)) - 1)
        if self.family == "v2" and self.prediction == "epsilon":
            return 512
        return _SIDES.get(self.family or "")

    @cached_property
    def _defaults(self) -> Mapping[str, Any]:
        return self._config("", _DEFAULTS) if self.kind == "model" else {}

    def _config(self, part: str, name: str) -> Mapping[str, Any]:
        """A JSON file of a model's folder; nothing where there is none."""
        if self.path is None or not (self.path / INDEX).is_file():
            return {}
        try:
            found = json.loads((self.path / part / name).read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}
