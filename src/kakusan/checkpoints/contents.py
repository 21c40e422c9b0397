"""Which files of a model's repository loading takes, and what a folder lacks of them."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from kakusan.checkpoints.files import file_names, read_json
from kakusan.checkpoints.selection import STEMS, WeightsName, choose, variant_of
from kakusan.errors import CheckpointError, listed, shown


@dataclass(frozen=True)
class Wanted:
    """What is wanted of a model: all parts, all but some, or one; and which of their weights."""

    subfolder: str | None = None
    variant: str | None = None
    use_safetensors: bool | None = None
    without: frozenset[str] = frozenset()

    def weights(self, names: Collection[str]) -> WeightsName | None:
        """The set of weights to take among the file names of one part's folder."""
        for stem in STEMS:
            chosen = choose(names, stem, variant=self.variant, use_safetensors=self.use_safetensors)
            if chosen is not None:
                return chosen
        return None


def needed(name: str, files: Collection[str], wanted: Wanted) -> list[str]:
    """The files of the repository `name` that loading takes.

    Of each folder: its JSON and text files, and one set of weights: the variant if it is there,
    else the plain one; safetensors rather than `.bin`. Weights beside a model_index.json are
    copies of the parts for other programs and are not taken.

    Raises:
        CheckpointError: A variant is asked for that no part has.
    """
    check_variant(name, files, wanted)
    has_index = "model_index.json" in files
    taken: list[str] = []
    for folder, names in _by_folder(files).items():
        if wanted.subfolder not in (None, folder) or "/" in folder or folder in wanted.without:
            continue
        kept = [
            name for name in names if name.endswith((".json", ".txt")) and ".index." not in name
        ]
        chosen = wanted.weights(names) if folder or not has_index else None
        if chosen is not None and chosen.single in names:
            kept.append(chosen.single)
        elif chosen is not None:
            kept += [chosen.index, *filter(chosen.is_shard, names)]
        taken += [f"{folder}/{name}" if folder else name for name in kept]
    return taken


def _by_folder(files: Iterable[str]) -> dict[str, list[str]]:
    by_folder: defaultdict[str, list[str]] = defaultdict(list)
    for file in files:
        folder, _, name = file.rpartition("/")
        by_folder[folder].append(name)
    return by_folder


def files_of(folder: Path) -> list[str]:
    """The files of a folder and of its parts, named as the hub names them."""
    found = [*folder.glob("*"), *folder.glob("*/*")]
    return [path.relative_to(folder).as_posix() for path in found if path.is_file()]


def check_variant(name: str, files: Collection[str], wanted: Wanted) -> None:
    """Refuse a variant that not one part has; where only some have it, the others are plain.

    Args:
        files: of the whole model, also where one part of it is asked for.
    """
    if not wanted.variant:
        return
    found = variants(files, wanted.use_safetensors)
    if wanted.variant not in found:
        form = {None: "", True: " as safetensors", False: " as .bin"}[wanted.use_safetensors]
        raise CheckpointError(
            f"{name} has no variant {shown(wanted.variant)}{form} (it has: {listed(found)}); "
            "leave variant out for the plain weights."
        )


def variants(files: Iterable[str], use_safetensors: bool | None = None) -> set[str]:
    """The variants of weights, such as fp16, that are among the files of a model."""
    named = (variant_of(file.rpartition("/")[2], use_safetensors) for file in files)
    return {variant for variant in named if variant is not None}


def missing_from(snapshot: Path, wanted: Wanted) -> str:
    """What a snapshot lacks of what is wanted, the variant too, in words; empty if it is whole.

    A part that is wanted alone may be plain where others have the variant.
    """
    variant = wanted.variant
    if not variant or wanted.subfolder or variant in variants(files_of(snapshot)):
        return lacking(snapshot, wanted)
    return f"the variant {shown(variant)}"


def lacking(snapshot: Path, wanted: Wanted) -> str:
    """What a snapshot lacks of what is wanted, in words; empty if it is whole.

    Downloads go file by file: an interrupted one leaves whole files, but not all of them.
    """
    if wanted.subfolder is not None:
        return _part_lacking(snapshot / wanted.subfolder, wanted)
    index = snapshot / "model_index.json"
    if not index.is_file():
        return _part_lacking(snapshot, wanted)
    parts = [
        part
        for part, value in read_json(index).items()
        if isinstance(value, list) and value and value[0] is not None and Path(part).name == part
        if part not in wanted.without
    ]
    return ", ".join(filter(None, (_part_lacking(snapshot / part, wanted) for part in parts)))


def _part_lacking(folder: Path, wanted: Wanted) -> str:
    """A part with a config.json has weights; the others (tokenizer, scheduler) have none."""
    names = file_names(folder)
    if not any(name.endswith(".json") for name in names):
        return f"{folder.name}/"
    if "config.json" not in names:
        return ""
    chosen = wanted.weights(names)
    if chosen is None:
        return f"the weights of {folder.name}/"
    if chosen.single in names:
        return ""
    shards = read_json(folder / chosen.index).get("weight_map")
    complete = isinstance(shards, dict) and all(
        isinstance(shard, str) and shard in names for shard in shards.values()
    )
    return "" if complete else f"shards of {folder.name}/"
