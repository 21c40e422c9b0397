"""A folder of several files, written beside and moved into place, so that old and new never mix.

All files are written before the first one takes an old one's place, so that what fails before that
(a full disk, a killed process) leaves the old ones whole. While they are moved, a mark stands in
the folder, and what makes other programs read it is away; a folder that kept the mark is refused.
"""

import os
from collections.abc import Generator, Iterable, Set
from contextlib import contextmanager
from pathlib import Path

from kakusan.checkpoints.files import replace_file, sync
from kakusan.checkpoints.selection import kind_of_weights
from kakusan.checkpoints.staging import staged_folder
from kakusan.errors import CheckpointError, OutputError, shown_path

MARK = ".kakusan-unfinished"
# A file -> those of an earlier saving that would be read in its place or beside it
_SUPERSEDED = {
    "vocab.json": ("tokenizer.json", "added_tokens.json", "words.json"),
    "model_index.json": ("kakusan.json",),
}


@contextmanager
def whole(folder: Path, head: str) -> Generator[Path, None, None]:
    """Give an empty folder to write to; on success its files are moved to `folder`.

    What else is in `folder` stays, but for an earlier saving's files that would be read in place of
    the new ones.

    Args:
        head: the file without which nobody reads the folder; it goes first and comes last.

    Raises:
        OutputError: The folder cannot be written, or the disk is full; the old files are whole.
    """
    try:
        with staged_folder(folder) as stage:
            yield stage
            _move(stage, folder, head)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}.") from None


def check_finished(folder: Path) -> None:
    """Refuse a folder whose saving was stopped while files were moved into place.

    Raises:
        CheckpointError: It holds old and new files.
    """
    for each in (folder, folder.parent):  # a part may stand in a pipeline's folder
        if (each / MARK).is_file():
            raise CheckpointError(
                f"{shown_path(each)} holds files of two models: a program was stopped while it "
                "saved over the first. Save it there again, or fetch it anew"
            )


def _move(stage: Path, folder: Path, head: str) -> None:
    names = sorted(path.relative_to(stage) for path in stage.rglob("*") if path.is_file())
    names.sort(key=lambda name: name == Path(head))
    replaces = any((folder / name).exists() for name in names)
    if replaces:
        (folder / MARK).touch()
        sync(folder)
        (folder / head).unlink(missing_ok=True)
        sync(folder)
    for inner in {name.parent for name in names}:
        (folder / inner).mkdir(parents=True, exist_ok=True)
        staged = {name.name for name in names if name.parent == inner}
        for superseded in _superseded(staged, os.listdir(folder / inner)):
            (folder / inner / superseded).unlink(missing_ok=True)
    for name in names:
        replace_file(stage / name, folder / name)
    for inner in {name.parent for name in names}:
        sync(folder / inner)
    (folder / MARK).unlink(missing_ok=True)
    sync(folder)


def _superseded(staged: Set[str], there: Iterable[str]) -> set[str]:
    """Names of files that the staged ones stand for, though they are called otherwise."""
    found = {old for name in staged for old in _SUPERSEDED.get(name, ())}
    weights = {kind_of_weights(name) for name in staged} - {None}
    found |= {name for name in there if kind_of_weights(name) in weights}
    return found - staged
