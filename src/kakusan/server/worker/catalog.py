"""What can be drawn with, as its owner gave it, by names that are never paths. Imports no torch."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Any, Self

from kakusan.checkpoints.adapters.finding import adapter_files
from kakusan.checkpoints.facts import INDEX
from kakusan.checkpoints.hash_cache import HashCache
from kakusan.checkpoints.inventory import AvailableModel, builtin_model, cached_models, models_in
from kakusan.checkpoints.own import CONTROLNET, FOLDER, IP_ADAPTER
from kakusan.checkpoints.source import BUILTIN, local_file
from kakusan.errors import InputError, UnknownNameError, nearest, shown, shown_path
from kakusan.request.upscalers import UPSCALERS
from kakusan.server.worker.entries import KINDS, Entry, Kind

Paths = Sequence[str | PathLike[str]]

_TITLE = re.compile(r"(.+?)\s*\[([0-9a-f]{8,64})\]")
_DIGEST = re.compile(r"[0-9a-fA-F]{8,64}")
_SAID: Mapping[Kind, str] = {
    "lora": "LoRA",
    "controlnet": "ControlNet",
    "vae": "VAE",
    "ip_adapter": "IP-Adapter",
}


class Catalog:
    """Models and what goes with them; the first model is the one that is usually drawn with."""

    def __init__(self, entries: Callable[[], Iterable[Entry]]) -> None:
        self._entries = entries
        self.refresh()

    def refresh(self) -> None:
        """Look again what is there.

        Raises:
            InputError: Something that the owner named is there no more.
        """
        self.entries = _with_names_of_their_own(self._entries())
        self._replaced = _replacements(self.entries)

    @classmethod
    def of(
        cls,
        models: Paths = (),
        *,
        loras: Paths = (),
        embeddings: Paths = (),
        controls: Paths = (),
        vaes: Paths = (),
        ip_adapters: Paths = (),
        hashes: HashCache | None = None,
    ) -> Self:
        """What the owner names: files, folders that hold some, and of models Hub ids.

        The built-in model is always there, and last where others are named. What the Hub's cache
        has can be drawn with by its id.

        Raises:
            InputError: One is not there.
        """
        known = HashCache() if hashes is None else hashes
        others: Mapping[Kind, Paths] = {
            "lora": loras,
            "embedding": embeddings,
            "controlnet": controls,
            "vae": vaes,
            "ip_adapter": ip_adapters,
        }
        return cls(lambda: _all(models, others, known))

    @property
    def usual_model(self) -> Entry:
        """What is drawn with where no model is named."""
        return next(entry for entry in self.entries if entry.kind == "model")

    def of_kind(self, kind: Kind) -> list[Entry]:
        """All of a kind, in order."""
        return [entry for entry in self.entries if entry.kind == kind]

    def find(self, kind: Kind, name: str) -> Entry:
        """What a client means by a name, a file's name, a title, a hash, or an alias.

        Raises:
            UnknownNameError: Nothing is called so.
        """
        if kind not in KINDS:
            raise UnknownNameError(f"there is nothing of the kind {shown(kind)}")
        entries = self.of_kind(kind)
        title = _TITLE.fullmatch(name.strip())
        wanted = [name.strip(), *([title[1], title[2]] if title else [])]
        for fold in (str, str.casefold):
            for each in wanted:
                for entry in entries:
                    if fold(each) in map(fold, _names(entry)):
                        return entry
        for each in wanted:
            if _DIGEST.fullmatch(each):
                for entry in entries:
                    if (entry.sha256 or "").startswith(each.lower()):
                        return entry
        known = [entry.name for entry in entries]
        raise UnknownNameError(
            f"there is no {_SAID.get(kind, kind)} {shown(name)}.{nearest(name, known)}"
        )

    def hash_files(self) -> Iterator[Entry]:
        """Read what is not hashed yet, the models first; for a thread that has time."""
        for entry in self.entries:
            if entry.sha256 is None and entry.path is not None:
                try:
                    entry.hash()
                except InputError:
                    continue
                yield entry

    def without_paths(self, value: Any) -> Any:
        """A text, or JSON, in which paths are replaced by the names that clients know."""
        if isinstance(value, str):
            for path, name in self._replaced:
                value = value.replace(path, name) if path in value else value
            return value
        if isinstance(value, Mapping):
            return {key: self.without_paths(each) for key, each in value.items()}  # pyright: ignore[reportUnknownVariableType]
        if isinstance(value, list | tuple):
            return [self.without_paths(each) for each in value]  # pyright: ignore[reportUnknownVariableType]
        return value


def _all(models: Paths, others: Mapping[Kind, Paths], hashes: HashCache) -> Iterator[Entry]:
    found = [entry for each in models for entry in _models(fspath(each), hashes)]
    if not any(entry.source == BUILTIN for entry in found):
        found.append(Entry(BUILTIN, "model", BUILTIN, _builtin_folder(), _hashes=hashes))
    yield from found
    yield from _own(hashes)
    for kind, several in others.items():
        for path in dict.fromkeys(file for each in several for file in _found(kind, each)):
            yield Entry(path.stem, kind, str(path), path, _hashes=hashes)
    yield from (Entry(name, "upscaler", name) for name in UPSCALERS)
    yield from _cached(hashes, {entry.source for entry in found})


def _replacements(entries: Iterable[Entry]) -> list[tuple[str, str]]:
    """Paths, and the names that stand in their place for clients, the longest first."""
    pairs = dict[str, str]()
    for entry in entries:
        if entry.path is not None:
            name = entry.name if entry.kind == "model" else entry.path.name
            for path in (entry.path, entry.path.absolute(), entry.path.resolve()):
                pairs[str(path)] = name
    return sorted(pairs.items(), key=lambda pair: -len(pair[0]))


def _names(entry: Entry) -> list[str]:
    file = [] if entry.path is None or entry.path.is_dir() else [entry.path.name, entry.path.stem]
    return [entry.name, *file, *entry.aliases]


def _with_names_of_their_own(entries: Iterable[Entry]) -> list[Entry]:
    """The same, each with a name that no other of its kind has: its folder's is put before."""
    found, taken = list[Entry](), set[tuple[str, str]]()
    for entry in entries:
        name, count = entry.name, 1
        if (entry.kind, name) in taken and entry.path is not None:
            name = f"{entry.path.parent.name}/{name}"
        while (entry.kind, name) in taken:
            count += 1
            name = f"{entry.name}-{count}"
        taken.add((entry.kind, name))
        found.append(entry if name == entry.name else replace(entry, name=name))
    return found


def _models(given: str, hashes: HashCache) -> Iterator[Entry]:
    """The models that one name of the owner's stands for."""
    if given == BUILTIN:
        yield Entry(BUILTIN, "model", BUILTIN, _builtin_folder(), _hashes=hashes)
        return
    path = Path(given).expanduser()
    if path.is_dir() and not (path / INDEX).is_file():
        inside = [each for each in models_in(path) if _is_whole(each)]
        if not inside:
            raise InputError(f"{shown_path(given)} holds no model that can be drawn with")
        for each in inside:
            yield _model(each.path, hashes)
    elif path.exists():
        yield _model(path, hashes)
    elif given.count("/") == 1 and not given.startswith((".", "/", "~")):
        yield Entry(given, "model", given, None, fetched=True, _hashes=hashes)
    else:
        raise InputError(
            f"there is no model {shown_path(given)}; give a folder, a file or a Hub id"
        )


def _model(path: Path, hashes: HashCache) -> Entry:
    path = path.absolute()
    name = path.name if path.is_dir() else path.stem
    return Entry(name, "model", str(path), path, _hashes=hashes)


def _is_whole(model: AvailableModel) -> bool:
    facts = model.facts()
    return facts is not None and (
        (model.path / INDEX).is_file() or ("unet" in facts.weights and not facts.missing)
    )


def _own(hashes: HashCache) -> Iterator[Entry]:
    """What comes with the package to steer the built-in model."""
    own: dict[Kind, str] = {"controlnet": CONTROLNET, "ip_adapter": IP_ADAPTER}
    for kind, place in own.items():
        if (path := FOLDER / place).exists():
            yield Entry(BUILTIN, kind, BUILTIN, path, _hashes=hashes)


def _builtin_folder() -> Path | None:
    found = builtin_model()
    return None if found is None else found.path


def _cached(hashes: HashCache, known: set[str]) -> Iterator[Entry]:
    """Whole models of the Hub's cache."""
    for model in cached_models():
        if model.name not in known and (model.path / INDEX).is_file():
            yield Entry(model.name, "model", model.name, model.path, _hashes=hashes)


def _found(kind: Kind, given: str | PathLike[str]) -> Iterator[Path]:
    """The file that is given, or those of a kind in a folder.

    Raises:
        InputError: It is not there.
    """
    path = Path(fspath(given)).expanduser()
    file = local_file(str(path))
    if file is not None:
        yield file.absolute()
        return
    if not path.is_dir():
        raise InputError(f"{shown_path(path)} is not there; give a file, or a folder that has some")
    path = path.absolute()
    if kind == "controlnet":
        yield from _networks(path)
    elif kind == "vae" and (path / "config.json").is_file():
        yield path
    else:
        yield from (file for _, file in adapter_files([path]))


def _networks(folder: Path) -> Iterator[Path]:
    """ControlNets and T2I-Adapters below a folder: folders with a config, and single files."""
    if (folder / "config.json").is_file():
        yield folder
        return
    for each in sorted(folder.iterdir()):
        if each.is_dir() and not each.name.startswith("."):
            yield from _networks(each)
        elif each.is_file() and local_file(str(each)) is not None and _may_be_weights(each):
            yield each


def _may_be_weights(path: Path) -> bool:
    return path.suffix.casefold() in (".safetensors", ".sft", ".pt", ".bin", ".ckpt", ".pth")
