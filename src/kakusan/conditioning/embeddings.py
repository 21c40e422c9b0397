"""Learnt words (textual inversion): where their files are, and how text encoders get them."""

import functools
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from kakusan.checkpoints.embeddings import SUFFIXES, Embedding, read_embedding
from kakusan.checkpoints.hub_file import HubFile, hub_file
from kakusan.checkpoints.source import is_hub_id
from kakusan.errors import CheckpointError, ModelNotFoundError, RequestError, listed, shown_path
from kakusan.models import CLIPTextModel, CLIPTextModelWithProjection, LearntTokens

# As diffusers' training script calls its files, the preferred one first
USUAL = ("learned_embeds.safetensors", "learned_embeds.bin")
MOST_FILES = 20_000  # that are looked at in one folder


@dataclass(frozen=True)
class Where:
    """How files of embeddings are found; see `load_textual_inversion`."""

    weight_name: str | None = None
    subfolder: str | None = None
    revision: str | None = None
    cache_dir: Path | None = None
    force_download: bool = False
    local_files_only: bool = False
    token: str | bool | None = None
    use_safetensors: bool | None = None

    @property
    def names(self) -> list[str]:
        """The files that it may be, in a folder or on the hub."""
        if self.weight_name is not None:
            return [self.weight_name]
        kept = {None: USUAL, True: USUAL[:1], False: USUAL[1:]}
        return list(kept[self.use_safetensors])


def located(name: str, where: Where | None = None) -> Embedding:
    """An embedding by the name of its file: here, in a folder, or of the Hugging Face Hub.

    Raises:
        CheckpointError: There is none, or it is broken.
    """
    where = Where() if where is None else where
    path = Path(name)
    try:
        path = path.expanduser()
        is_file, is_folder = path.is_file(), bool(name) and path.is_dir()
    except (OSError, ValueError, RuntimeError):  # too long, a NUL byte, an unknown ~user
        is_file = is_folder = False
    if is_file:
        return read(path)
    if is_folder:
        below = path / (where.subfolder or "")
        found = [below / each for each in where.names if (below / each).is_file()]
        if not found:
            said = f"{' or '.join(where.names)}; say with weight_name which file it is"
            raise CheckpointError(f"{shown_path(below)} has no {said}.")
        return read(found[0])
    return _of_hub(name, where)


def holds_one(folder: Path) -> bool:
    """Whether a training script has written a single embedding here, perhaps at several steps."""
    if not any((folder / each).is_file() for each in USUAL):
        return False
    files = [each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES]
    return all(each.name.startswith("learned_embeds") for each in files)


def _is_path(name: str) -> bool:
    """Whether a name can only be that of a file here, though there is none."""
    path = Path(name)
    beside = path.suffix.lower() in SUFFIXES and path.parent.is_dir()
    return beside or (path.suffix.lower() in SUFFIXES and len(path.parts) < 3)


def _of_hub(name: str, where: Where) -> Embedding:
    prefix = f"{where.subfolder.strip('/')}/" if where.subfolder else ""
    named = None if _is_path(name) else hub_file(name)
    if named is None and is_hub_id(name) and not _is_path(name):
        files = [HubFile(name, prefix + each) for each in where.names]
    elif named is not None:
        files = [named]
    else:
        raise ModelNotFoundError(
            f"there is no embedding {shown_path(name)}: give a file, a folder that has "
            f"{USUAL[0]}, or OWNER/NAME of the Hugging Face Hub."
        )
    # the hub's own library takes a tenth of a second to import, which local files do not need
    from huggingface_hub.errors import EntryNotFoundError

    from kakusan.checkpoints.fetching import cached_file, fetch_file

    for file in [] if where.force_download else files:  # the hub is asked for what is lacking
        path = cached_file(file, where.revision, where.cache_dir)
        if path is not None:
            return _named_by_hub(path, file)
    for number, file in enumerate(files, 1):
        try:
            path, _ = fetch_file(
                file,
                revision=where.revision,
                token=where.token,
                cache_dir=where.cache_dir,
                local_files_only=where.local_files_only,
                force_download=where.force_download,
            )
        except ModelNotFoundError as error:
            asked = error.__context__ is None or isinstance(error.__context__, EntryNotFoundError)
            if number == len(files) or not asked:  # without the hub, both are out of reach
                raise
        else:
            return _named_by_hub(path, file)
    raise AssertionError("there is at least one file")


def _named_by_hub(path: Path, file: HubFile) -> Embedding:
    return replace(read(path), file=Path(file.path).name, source=file.name)


def read(path: Path, file: str | None = None) -> Embedding:
    """An embedding's file, read once as long as it stays the same."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return read_embedding(path, file)
    return _read(path.absolute(), file or path.name, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=64)
def _read(path: Path, file: str, _changed: int, _size: int) -> Embedding:
    return read_embedding(path, file)


def files_in(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder that may be embeddings, with their paths in it; sorted.

    Those without pickles come last, so that they are what counts of two of one name.

    Raises:
        CheckpointError: It cannot be read.
    """
    found: list[tuple[str, Path]] = []

    def refuse(error: OSError) -> None:
        if error.filename == str(folder):
            raise CheckpointError(
                f"{shown_path(folder)} cannot be read: {error.strerror}."
            ) from None

    for here, below, names in os.walk(folder, onerror=refuse):
        below[:] = sorted(each for each in below if not each.startswith("."))
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES:
                path = Path(here) / name
                found.append((path.relative_to(folder).as_posix(), path))
        if len(found) > MOST_FILES:
            raise CheckpointError(
                f"{shown_path(folder)} has more than {MOST_FILES} files; give a smaller folder."
            )
    for name, path in sorted(
        found, key=lambda each: (each[0].lower().endswith(".safetensors"), each)
    ):
        yield path, name


def learnt_by(
    encoder: CLIPTextModel | CLIPTextModelWithProjection,
    first: int,
    vectors: Tensor,
    tokens: tuple[str, ...],
) -> LearntTokens:
    """What a text encoder looks up beside its table, with further tokens.

    Args:
        first: the id of the first of them.

    Raises:
        RequestError: Its tokens are not those of the tokenizer.
    """
    before = encoder.learnt
    if before is None:
        if first > encoder.config.vocab_size:
            raise RequestError(
                f"the tokenizer has {first} tokens and the text encoder "
                f"{encoder.config.vocab_size}; call resize_token_embeddings(len(tokenizer)) first"
            )
        return LearntTokens(first, vectors, tokens)
    if before.stop == first:
        return before.and_then(vectors, tokens)
    at = slice(first - before.first, first - before.first + len(vectors))
    same = before.tokens[at] == tokens and torch.equal(
        before.vectors[at], vectors.to(before.vectors)
    )
    if first >= before.first and same:
        return before  # another pipeline that shares it has loaded the same
    raise RequestError(
        "the text encoder has learnt other words in another pipeline that shares it "
        f"({listed(before.tokens)}); load the same ones here first, or give this pipeline a text "
        "encoder of its own (copy.deepcopy)"
    )
