"""A picture's adapters and learnt words for another picture, among the user's own files."""

from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from kakusan.checkpoints.recorded_embeddings import embeddings_again
from kakusan.checkpoints.source import BUILTIN
from kakusan.errors import ArgumentError, shown
from kakusan.images.foreign import Settings
from kakusan.images.foreign.told import Embedding, Lora
from kakusan.interchange.adapters import find_adapter
from kakusan.interchange.like import request_of
from kakusan.interchange.models import HashesOf
from kakusan.interchange.tags import unmade
from kakusan.prompts.learnt import without_missing
from kakusan.prompts.networks import LORAS, Tag, network_of, take_out, without_loras
from kakusan.request import Request
from kakusan.request.embedded import Entry
from kakusan.request.kept import are_kept
from kakusan.request.loras import MAX_LORAS, LoraFile
from kakusan.request.loras import Lora as Worn


class Found(NamedTuple):
    """Of a picture's adapters those that are here.

    Attributes:
        beside: those that no tag of the prompt names.
        files: of each name where it is, with its hash where it is known to be the very one.
        followed: what is told of those that are found by hash under another name.
        left: what is said of those that are nowhere, or are other files.
    """

    beside: tuple[Worn, ...]
    files: dict[str, LoraFile]
    followed: tuple[str, ...]
    left: tuple[str, ...]


def found_adapters(
    loras: Sequence[Lora], tags: Sequence[str], folders: Sequence[Path], hashes_of: HashesOf
) -> Found:
    """The adapters of a picture, looked for by hash and name.

    Args:
        tags: the names in the prompt that is drawn; it is said elsewhere that one is nowhere.
    """
    beside, files = list[Worn](), dict[str, LoraFile]()
    followed, left = list[str](), list[str]()
    for says in loras[:MAX_LORAS]:
        found = find_adapter(says, folders, hashes_of)
        named = says.name.strip() in tags
        if found is None:
            left += [] if named else [f"the LoRA {shown(says.name)}"]
            continue
        if not named:
            beside.append(Worn(says.name, says.text_weight, says.unet_weight))
        digest = hashes_of(found.file)["sha256"] if found.by_hash else None
        files[says.name] = LoraFile(str(found.file), digest)
        if found.told is not None:
            (followed if found.by_hash else left).append(found.told)
    return Found(tuple(beside), files, tuple(followed), tuple(dict.fromkeys(left)))


def adapters_told(says: Settings) -> list[Lora]:
    """Those of another tool's picture, without what that tool passed by itself."""
    passed = unmade(says.prompt) if says.prompt_syntax == "webui" else {}
    return [each for each in says.loras if each.name not in passed]


def adapters_of(request: Request) -> list[Lora]:
    """Those of a picture of kakusan's: of all its pictures, and of its prompt's tags."""
    files = request.lora_files or {}

    def told(name: str, text: float, unet: float) -> Lora:
        digest = files[name].sha256 if name in files else None
        return Lora(name=name, text_weight=text, unet_weight=unet, hash=digest)

    prompt = request.prompt[0] if request.syntax == "webui" else None
    networks = [each for each in map(network_of, _tags(prompt)) if each.fault is None]
    return [
        *(told(*each) for each in request.loras or ()),
        *(told(each.name, each.text_weight, each.unet_weight) for each in networks),
    ]


def names_in(prompt: str | None) -> list[str]:
    """The names of the adapters in a prompt's tags."""
    return [network_of(tag).name.strip() for tag in _tags(prompt)]


def _tags(prompt: str | None) -> list[Tag]:
    return [tag for tag in take_out(prompt or "")[1] if tag.kind in LORAS]


def with_adapters(
    settings: Mapping[str, Any],
    loras: Sequence[Lora],
    typed: Mapping[str, Any],
    folders: Sequence[Path],
    hashes_of: HashesOf,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings like a picture's with its adapters, and what is said of those that are not taken.

    Where the prompt is typed, those that the picture's own named are on beside it. Adapters that
    are typed take the place of all but those that the prompt names.
    """
    webui = settings.get("prompt_syntax") == "webui"
    tags = names_in(settings.get("prompt")) if webui else []
    named = [each for each in loras if "loras" not in typed or each.name.strip() in tags]
    found = found_adapters(named, tags, folders, hashes_of)
    more: dict[str, Any] = {"lora_files": found.files} if found.files else {}
    if found.beside:
        more["loras"] = found.beside
    return {**settings, **more}, found.left


def with_learnt(
    settings: Mapping[str, Any], told: Sequence[Entry], typed: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings like a picture's with the embeddings that the user's files and folders have.

    What is told has the name that prompts call it by as its `name`. ComfyUI passes by those that
    are nowhere, and so do prompts of it that are not typed.
    """
    given = typed.get("embeddings")
    places = [given] if isinstance(given, str | PathLike) else list(given or ())
    names = [path.name for path in files_in(places)]
    found, left = list[Entry](), list[str]()
    for entry in told:
        name = entry.get("name", entry["file"])
        try:
            found += embeddings_again([entry], places, trusted=False) or ()
        except ArgumentError:
            here = any(PurePath(name).stem == PurePath(each).stem for each in names)
            left += [] if here else [f"the embedding {shown(PurePath(name).stem)}"]
    changed = dict(settings)
    if settings.get("prompt_syntax") == "comfy":
        here = [*names, *(entry["name"] for entry in found if "name" in entry)]
        for text in ("prompt", "negative_prompt"):
            if text not in typed and changed.get(text):
                changed[text] = without_missing(changed[text], here)
    if found:
        changed["embeddings"] = (*places, *found)
    return changed, tuple(dict.fromkeys(left))


def learnt_told(told: Sequence[Embedding]) -> list[Entry]:
    """Those of another tool's picture, which names no file of the user's."""
    plain = [(PurePath(each.name.replace("\\", "/")).name, each.hash or "") for each in told]
    return [
        {"file": f"{name}.pt", "name": name, **({"hash": digits} if len(digits) >= 8 else {})}
        for name, digits in plain
        if name
    ]


def files_in(places: Sequence[str | PathLike[str]]) -> list[Path]:
    """The files that the user names, and those in folders."""
    paths = [Path(fspath(each)).expanduser() for each in places]
    return [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]


def taken_of_record(
    record: Mapping[str, Any],
    settings: Mapping[str, Any],
    typed: Mapping[str, Any],
    folders: Sequence[Path] | None,
    hashes_of: HashesOf,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Settings like those of a picture of kakusan's, with what of its files is the user's own.

    Args:
        settings: the picture's, and over them those that were typed.
        folders: with adapters; None where the user says nothing of where they are.

    Returns:
        The settings, and what is said of that which is not taken.
    """
    request, lacking = request_of(record), list[str]()
    found, left = dict(settings), tuple[str, ...]()
    loras = adapters_of(request)
    if folders is not None:
        found, left = with_adapters(found, loras, typed, folders, hashes_of)
    elif "loras" not in typed and (request.loras or (loras and "prompt" in typed)):
        lacking.append("loras")
    told = tuple(request.embeddings or ())
    if typed.get("embeddings") is not None:
        found, more = with_learnt(found, told, typed)
        left += more
    elif told:
        lacking.append("embeddings")
    again = (f"its {' and '.join(lacking)}; name them again",) if lacking else ()
    return found, (*again, *left)


def controls_of_record(
    record: Mapping[str, Any], settings: Mapping[str, Any], typed: Mapping[str, Any], folder: Path
) -> dict[str, Any]:
    """What steered a picture, where it is the built-in model's and its pictures are kept.

    Args:
        settings: the picture's, and over them those that were typed.
        folder: in which the pictures are looked for.

    Returns:
        The settings, and with them `controls` if these can be had again.
    """
    controls = request_of(record).controls
    if not controls or typed.get("controls") or settings.get("model", BUILTIN) != BUILTIN:
        return dict(settings)
    own = all(each.model == BUILTIN and each.image is not None for each in controls)
    if not own or not all(are_kept(each.image, folder) for each in controls):
        return dict(settings)
    return {**settings, "controls": controls}


def taken_of_told(
    says: Settings,
    settings: Mapping[str, Any],
    typed: Mapping[str, Any],
    folders: Sequence[Path] | None,
    hashes_of: HashesOf,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The same of another tool's picture; where no folders are named, its tags are dropped."""
    found, left = with_learnt(settings, learnt_told(says.embeddings), typed)
    if {"prompt", "negative_prompt"} <= typed.keys():  # and with them what named the words
        left = ()
    loras = adapters_told(says)
    if folders is not None:
        found, more = with_adapters(found, loras, typed, folders, hashes_of)
        return found, (*more, *left)
    if settings.get("prompt_syntax") == "webui" and "prompt" not in typed and found.get("prompt"):
        found["prompt"] = without_loras(found["prompt"])
    more = () if "loras" in typed else tuple(f"the LoRA {shown(each.name)}" for each in loras)
    return found, (*dict.fromkeys(more), *left)


def without_files(left: Sequence[str], says: Settings) -> tuple[str, ...]:
    """What is not taken of a picture, but for adapters and learnt words."""
    files = {f"the LoRA {shown(each.name)}" for each in says.loras}
    files |= {f"the embedding {shown(each.name)}" for each in says.embeddings}
    return tuple(each for each in left if each not in files)
