"""What a model is: family, precision, parts, licence; from configs and headers, not weights."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from kakusan.checkpoints.adapters.facts import adapter_facts
from kakusan.checkpoints.adapters.refusals import LORA, is_adapter
from kakusan.checkpoints.contents import Wanted, variants
from kakusan.checkpoints.files import JSON, file_names, read_json, read_text
from kakusan.checkpoints.regular import open_regular
from kakusan.checkpoints.single_file.edm import COSXL, PLAYGROUND
from kakusan.checkpoints.single_file.entries import DTYPES, Entry
from kakusan.checkpoints.single_file.header import read_header
from kakusan.checkpoints.single_file.identity import identify
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.single_file.recognition import (
    EDM_VARIANTS,
    FAMILIES,
    TEXT_WIDTHS,
    VARIANTS,
    kind_of_other,
)
from kakusan.errors import CheckpointError

INDEX, CARD = "model_index.json", "README.md"
WORDS = {
    "modelspec.title": "title",
    "modelspec.author": "author",
    "modelspec.license": "licence",
    "modelspec.trigger_phrase": "trigger words",
    "modelspec.usage_hint": "usage hint",
    "modelspec.date": "date",
}
_LICENCE = re.compile(r"^license:[ \t]*(?:\n[ \t]*-[ \t]*)?(.+)$", re.MULTILINE)
_NAMED = re.compile(r"^license_name:[ \t]*(.+)$", re.MULTILINE)
OLD_HASH = 0x100000, 0x10000  # where it begins, and of how many bytes it is
AT_A_TIME = 1 << 22
BYTES = {
    "float64": 8,
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "float8_e4m3fn": 1,
    "float8_e5m2": 1,
}
REFINER_ADDED = 2560


@dataclass(frozen=True)
class Weights:
    """The weights of a part: how many numbers, what most are stored in, and in how many bytes."""

    parameters: int
    precision: str
    bytes: int


@dataclass(frozen=True)
class Facts:
    """What a model is, as far as its files tell.

    Attributes:
        family: as people call it, such as "SDXL"; None where it is not told.
        prediction: what its UNet predicts.
        classes: of each part of a folder, by the name of the part.
        weights: of the parts whose files say it.
        missing: parts that drawing needs besides.
        said: what its author says of it: licence, title, trigger words.
    """

    family: str | None
    prediction: str | None = None
    classes: Mapping[str, str] = field(default_factory=dict[str, str])
    weights: Mapping[str, Weights] = field(default_factory=dict[str, Weights])
    missing: tuple[str, ...] = ()
    said: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def precision(self) -> str | None:
        """What most of its weights are stored in."""
        counts: Counter[str] = Counter()
        for each in self.weights.values():
            counts[each.precision] += each.parameters
        return counts.most_common(1)[0][0] if counts else None


def facts_of_file(path: Path) -> Facts:
    """What a single file is.

    Raises:
        CheckpointError: It is no model and no part of one, or is broken.
    """
    found = identify(path)
    weights: dict[str, Weights] = {}
    # quantised ones are told by their share of the file
    share = path.stat().st_size / max(1, sum(found.parameters.values()))
    for part, precision in found.parts.items():
        count = found.parameters[part]
        weights[part] = Weights(count, precision, int(count * BYTES.get(precision, share)))
    said = _said(found.metadata)
    return Facts(found.name, found.prediction, {}, weights, found.missing, said)


def facts_of_other(path: Path) -> Facts | None:
    """What a file is that is no model, such as "TAESD"; None where nothing says so.

    Raises:
        CheckpointError: It is broken.
    """
    file = open_tensor_file(path)
    kind, weights = kind_of_other(file.entries), _counted(list(file.entries.values()))
    said = _said(file.metadata)
    if weights is not None and kind in (None, LORA) and is_adapter(file.entries):
        found = adapter_facts(file)
        return Facts(found.name, weights={"weights": weights}, said=said | found.words)
    if kind is None or weights is None:
        return None
    return Facts(kind.partition(" ")[2], weights={"weights": weights}, said=said)


def _said(metadata: Mapping[str, str]) -> dict[str, str]:
    """What a file says of itself in words (ModelSpec)."""
    return {WORDS[key]: text for key, text in metadata.items() if key in WORDS and text}


def facts_of_folder(folder: Path) -> Facts:
    """What a pipeline's folder is.

    Raises:
        CheckpointError: Its index is broken.
    """
    index = read_json(folder / INDEX) if (folder / INDEX).is_file() else {}
    classes = {
        part: entry[1]
        for part, entry in index.items()
        if isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], str)
    }
    weights: dict[str, Weights] = {}
    for part in classes:
        if (found := weights_of(folder / part)) is not None:
            weights[part] = found
    unet = config_of(folder / "unet" / "config.json") if "unet" in classes else {}
    family = family_of_unet(unet)
    scheduler = config_of(folder / "scheduler" / "scheduler_config.json")
    kind = scheduler.get("prediction_type", "epsilon") if "scheduler" in classes else None
    if str(scheduler.get("_class_name")).startswith("EDM") and family is not None:
        family = _of_edm(family, kind)
    prediction = kind if isinstance(kind, str) else None
    return Facts(family, prediction, classes, weights, (), card_of(folder / CARD))


def _of_edm(family: str, prediction: JSON) -> str:
    """What a model of SDXL's shape on EDM's noise levels is called."""
    sdxl = FAMILIES["sdxl"]
    name = COSXL if prediction == "v_prediction" else PLAYGROUND
    if not family.startswith(sdxl):
        return family
    variant = family.removeprefix(sdxl).strip()
    return name + EDM_VARIANTS.get(variant, f" {variant}")


def family_of_unet(unet: Mapping[str, JSON]) -> str | None:
    """The family whose UNet has such a config."""
    if not unet:
        return None
    width, added = (
        unet.get("cross_attention_dim"),
        unet.get("projection_class_embeddings_input_dim"),
    )
    if isinstance(width, list):
        width = width[0] if width else None
    family = TEXT_WIDTHS.get(width) if isinstance(width, int) else None
    if unet.get("addition_embed_type") == "text_time":
        family = "sdxl-refiner" if added == REFINER_ADDED else "sdxl"
    if family is None:  # as of a single file, where the text encoder is of another width
        family = "v2" if unet.get("use_linear_projection") is True else "v1"
    channels = unet.get("in_channels", 4)
    own = channels == unet.get("out_channels", 4)
    variant = VARIANTS.get(channels, "") if isinstance(channels, int) and not own else ""
    return f"{FAMILIES[family]} {variant}".strip()


def weights_of(folder: Path) -> Weights | None:
    """What the headers of a part's files say; None where there are none, or one is broken."""
    try:
        names = file_names(folder)
        found = (wanted.weights(names) for wanted in _wanted(names))
        chosen = next((each for each in found if each is not None), None)
        if chosen is None:
            return None
        paths = [folder / name for name in names if name == chosen.single or chosen.is_shard(name)]
        return _counted([each for path in paths for each in read_header(path).entries.values()])
    except CheckpointError:
        return None


def _wanted(names: set[str]) -> Iterator[Wanted]:
    """Plain weights, then those of a variant that is there alone."""
    yield Wanted(use_safetensors=True)
    for variant in sorted(variants(names, use_safetensors=True)):
        yield Wanted(variant=variant, use_safetensors=True)


def _counted(entries: list[Entry]) -> Weights | None:
    if not entries:
        return None
    counts: Counter[str] = Counter()
    for entry in entries:
        counts[DTYPES.get(entry.dtype, entry.dtype.lower())] += entry.numel
    precision = counts.most_common(1)[0][0]
    return Weights(sum(counts.values()), precision, _bytes(entries))


def _bytes(entries: list[Entry]) -> int:
    return sum(entry.numel * BYTES.get(DTYPES.get(entry.dtype, ""), 1) for entry in entries)


def config_of(path: Path) -> Mapping[str, JSON]:
    """What a JSON file says; nothing where it is not there, or broken."""
    try:
        return read_json(path) if path.is_file() else {}
    except CheckpointError:
        return {}


def card_of(path: Path) -> dict[str, str]:
    """What the front matter of a model's card says of its licence."""
    try:
        text = read_text(path) if path.is_file() else ""
    except CheckpointError:
        return {}
    if not text.startswith("---"):
        return {}
    front = text[3:].partition("\n---")[0]
    name, named = _LICENCE.search(front), _NAMED.search(front)
    licence = named if name is None or (named and name[1].strip() == "other") else name
    return {} if licence is None else {"licence": licence[1].strip().strip("'\"")}


def old_hash_of(path: Path) -> str:
    """The older eight of `hashes_of` alone, which are of a small part of the file.

    Raises:
        InputError: It cannot be read.
    """
    with open_regular(path, most_bytes=1 << 62) as file:
        return _old_hash(file)


def _old_hash(file: BinaryIO) -> str:
    start, count = OLD_HASH
    file.seek(start)
    return hashlib.sha256(file.read(count)).hexdigest()[:8]


def hashes_of(path: Path, tell: Callable[[float], object] | None = None) -> dict[str, str]:
    """What AUTOMATIC1111's web UI calls a file: ten digits of its SHA-256, and the older eight.

    An adapter it calls by twelve digits of the SHA-256 of the tensors alone.

    Args:
        tell: is told how much is done, from 0 to 1.

    Raises:
        InputError: It cannot be read.
    """
    whole, size = hashlib.sha256(), max(1, path.stat().st_size)
    begins, tensors = _adapters_tensors(path), hashlib.sha256()
    done = 0
    with open_regular(path, most_bytes=1 << 62) as file:
        while piece := file.read(AT_A_TIME):
            whole.update(piece)
            if begins is not None:
                tensors.update(piece[max(0, begins - done) :])
            done += len(piece)
            if tell is not None:
                tell(done / size)
        old = _old_hash(file)
    digest = whole.hexdigest()
    of_adapter = {} if begins is None else {"lora hash": tensors.hexdigest()[:12]}
    return {"hash": digest[:10], "old hash": old, **of_adapter, "sha256": digest}


def _adapters_tensors(path: Path) -> int | None:
    """Where in an adapter's file its tensors begin; None for any other file."""
    try:
        header = read_header(path)
    except CheckpointError:
        return None
    return min(begin for begin, _ in header.spans.values()) if is_adapter(header.entries) else None
