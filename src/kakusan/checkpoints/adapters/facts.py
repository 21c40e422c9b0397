"""What an adapter is, told from its header and its metadata, without torch and without a model."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from kakusan.checkpoints.adapters.config import KEY, config_of
from kakusan.checkpoints.adapters.family import made_for, told
from kakusan.checkpoints.adapters.names import (
    SHARED,
    TEXT,
    UNET,
    Piece,
    bundled,
    piece_of,
    place_of,
)
from kakusan.checkpoints.single_file.entries import Entry, TensorFile
from kakusan.checkpoints.single_file.recognition import FAMILIES
from kakusan.errors import CheckpointError, shown_path

# A tensor that tells a kind -> the kind; the first that fits counts
_KINDS = (
    ("dora_scale", "DoRA"),
    ("magnitude", "DoRA"),
    ("hada_w1_a", "LoHa"),
    ("lokr_w1", "LoKr"),
    ("lokr_w1_a", "LoKr"),
    ("a1", "GLoRA"),
    ("oft_blocks", "OFT"),
    ("oft_diag", "OFT"),
    ("on_input", "IA3"),
    ("ia3_l", "IA3"),
    ("down", "LoRA"),
    ("diff", "full difference"),
)
# Tensors that have as many rows as the product has ranks
_RANKS = frozenset({"down", "hada_w1_b", "lokr_w1_b", "lokr_w2_b"})
_WORDS = {
    "ss_output_name": "output name",
    "ss_sd_model_name": "trained on",
    "ss_base_model_version": "base model",
    "sshs_model_hash": "recorded hash",
}
MOST_TAGS, LONGEST_TAG = 10, 60
_LONGEST = 200  # characters of what a file says of itself


@dataclass(frozen=True)
class AdapterFacts:
    """What an adapter is.

    Attributes:
        kind: "LoRA", "LoHa", ...
        family: a key of `FAMILIES`, or what people call another architecture; None if unknown.
        layers: how many are changed, by part.
        ranks: of all products.
        alphas: of all layers that have one.
        said: what its author says of it, in words.
    """

    kind: str
    family: str | None
    layers: Mapping[str, int]
    ranks: frozenset[int]
    alphas: frozenset[float]
    said: Mapping[str, str]

    @property
    def name(self) -> str:
        """As people call it: "SDXL LoRA"."""
        of = None if self.family is None else FAMILIES.get(self.family, self.family)
        return self.kind if of is None else f"{of} {self.kind}"

    @property
    def words(self) -> dict[str, str]:
        """Rank, alpha, layers, and what its author says."""
        layers = ", ".join(f"{count} in {part}" for part, count in self.layers.items())
        found = {
            "rank": _range(self.ranks),
            "alpha": _range(self.alphas),
            "layers": layers,
            **self.said,
        }
        return {key: text for key, text in found.items() if text}


def adapter_facts(file: TensorFile) -> AdapterFacts:
    """What an adapter's file is, which `is_adapter` knows as one.

    Raises:
        CheckpointError: Its alphas cannot be read.
    """
    pieces = {name: piece for name in file.entries if (piece := piece_of(name)) is not None}
    made = made_for(file.entries)
    family = made.family or (told(file.metadata) if made.width is None else None)
    return AdapterFacts(
        kind=_kind(file.entries, pieces.values()),
        family=family,
        layers=_layers(pieces.values()),
        ranks=frozenset(
            file.entries[name].shape[0]
            for name, piece in pieces.items()
            if piece.slot in _RANKS and file.entries[name].shape
        ),
        alphas=_alphas(file, pieces),
        said=_said(file.metadata),
    )


def _kind(entries: Mapping[str, Entry], pieces: Iterable[Piece]) -> str:
    counts = Counter(piece.slot for piece in pieces)
    kind = next((kind for slot, kind in _KINDS if counts[slot]), "adapter")
    of_blocks = (entries[name] for name in entries if name.endswith(".oft_blocks"))
    if kind == "OFT" and any(len(each.shape) == 4 for each in of_blocks):
        return "BOFT"
    if kind == "adapter" and any(bundled(name) for name in entries):
        return "bundle of embeddings"
    return kind


def _layers(pieces: Iterable[Piece]) -> dict[str, int]:
    stems = dict.fromkeys(piece.stem for piece in pieces if piece.slot not in SHARED)
    counts: Counter[str] = Counter()
    for stem in stems:
        part, flat = place_of(stem)
        counts[part or (TEXT if flat.startswith("text_model") else UNET)] += 1
    return dict(sorted(counts.items(), key=lambda item: item[0] != UNET))


def _alphas(file: TensorFile, pieces: Mapping[str, Piece]) -> frozenset[float]:
    names = [name for name, piece in pieces.items() if piece.slot == "alpha"]
    found = [file.numbers(name)[0] for name in names if file.entries[name].numel == 1]
    if not found and KEY in file.metadata:
        try:
            config = config_of(file.metadata, None, shown_path(file.path))
        except CheckpointError:
            return frozenset()
        said = [each.get("lora_alpha") for each in config.parts.values()]
        found = [float(each) for each in said if isinstance(each, int | float)]
    return frozenset(found)


def _range(numbers: frozenset[int] | frozenset[float]) -> str:
    if not numbers:
        return ""
    least, most = min(numbers), max(numbers)
    return f"{least:g}" if least == most else f"{least:g} to {most:g}"


def _said(metadata: Mapping[str, str]) -> dict[str, str]:
    said = {
        word: metadata[key][:_LONGEST]
        for key, word in _WORDS.items()
        if metadata.get(key) not in (None, "", "None")
    }
    tags = frequent_tags(metadata)
    return said | ({"frequent tags": ", ".join(tags)} if tags else {})


def frequent_tags(metadata: Mapping[str, str]) -> list[str]:
    """The words that an adapter was trained on most, as kohya's trainer counts them."""
    try:
        folders: object = json.loads(metadata.get("ss_tag_frequency", "{}"))
    except (ValueError, RecursionError):
        return []
    counts: Counter[str] = Counter()
    for tags in cast("dict[str, object]", folders).values() if isinstance(folders, dict) else ():
        for tag, count in cast("dict[str, object]", tags).items() if isinstance(tags, dict) else ():
            if type(count) is int and 0 < count < 1 << 62 and tag.strip():
                counts[tag.strip()[:LONGEST_TAG]] += count
    return [tag for tag, _ in counts.most_common(MOST_TAGS)]
