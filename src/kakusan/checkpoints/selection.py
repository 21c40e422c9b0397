"""Which files of a folder are its weights: names, variants and shards of the published layout."""

import re
from collections.abc import Collection
from dataclasses import dataclass

# Stems of the parts' weights. A `.bin` of the stem "model" is called pytorch_model.bin.
STEMS = ("diffusion_pytorch_model", "model")

# How files end that hold a whole model, or a part of one
ENDINGS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def is_weights(name: str) -> bool:
    """Whether a file holds weights, by its name alone."""
    return name.casefold().endswith(ENDINGS)


@dataclass(frozen=True)
class WeightsName:
    """The names that one set of weights has: a single file, or an index with its shards."""

    stem: str
    variant: str | None
    safetensors: bool

    @property
    def _base(self) -> str:
        return "pytorch_model" if self.stem == "model" and not self.safetensors else self.stem

    @property
    def _suffix(self) -> str:
        return "safetensors" if self.safetensors else "bin"

    @property
    def single(self) -> str:
        """`model.fp16.safetensors`"""
        return ".".join(filter(None, (self._base, self.variant, self._suffix)))

    @property
    def index(self) -> str:
        """`model.safetensors.index.fp16.json`"""
        return ".".join(filter(None, (self._base, self._suffix, "index", self.variant, "json")))

    def shard(self, number: int, count: int) -> str:
        """`model.fp16-00001-of-00003.safetensors`, as current libraries write it."""
        base = ".".join(filter(None, (self._base, self.variant)))
        return f"{base}-{number:05}-of-{count:05}.{self._suffix}"

    def is_shard(self, name: str) -> bool:
        """Whether `name` is a shard of this set; older libraries put the variant at the end."""
        variant = f".{re.escape(self.variant)}" if self.variant else ""
        base, count = re.escape(self._base), r"-\d+-of-\d+"
        pattern = rf"{base}(?:{variant}{count}|{count}{variant})\.{self._suffix}"
        return re.fullmatch(pattern, name) is not None


_WEIGHTS = re.compile(
    r"(diffusion_pytorch_model|pytorch_model|model)(?:-\d+-of-\d+)?(?:\.(?:safetensors|bin)\.index)?"
    r"(?:\.([\w-]+?))?(?:-\d+-of-\d+)?\.(?:safetensors|bin|json)"
)


def kind_of_weights(name: str) -> tuple[str, str | None] | None:
    """The stem and the variant of a weights file, shard or index; None for another file."""
    match = _WEIGHTS.fullmatch(name)
    is_weights = match is not None and (not name.endswith("json") or ".index." in name)
    return (match[1].removeprefix("pytorch_"), match[2]) if match and is_weights else None


_VARIANT = re.compile(
    r"(?:diffusion_pytorch_model|pytorch_model|model)(?:-\d+-of-\d+)?(?:\.(?:safetensors|bin)\.index)?"
    r"\.([\w-]+?)(?:-\d+-of-\d+)?\.(?:safetensors|bin|json)"
)


def variant_of(name: str, use_safetensors: bool | None = None) -> str | None:
    """The variant in the name of a weights file or index: fp16 of `model.fp16.safetensors`.

    None for a file of the other form, where one form is asked for.
    """
    match = _VARIANT.fullmatch(name)
    other_form = use_safetensors is not None and use_safetensors != (".safetensors" in name)
    return match[1] if match and not other_form else None


def candidates(stem: str, variant: str | None, use_safetensors: bool | None) -> list[WeightsName]:
    """Sets of weights by preference: the variant before plain, then safetensors before `.bin`."""
    kinds = [True, False] if use_safetensors is None else [use_safetensors]
    variants = [variant, None] if variant else [None]
    return [WeightsName(stem, one, kind) for one in variants for kind in kinds]


def choose(
    names: Collection[str],
    stem: str,
    *,
    variant: str | None = None,
    use_safetensors: bool | None = None,
) -> WeightsName | None:
    """The preferred set of weights among a folder's file names, or None."""
    for candidate in candidates(stem, variant, use_safetensors):
        if candidate.single in names or candidate.index in names:
            return candidate
    return None
