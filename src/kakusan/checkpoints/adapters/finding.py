"""Which file among a user's folders an adapter's name means, as `<lora:name:1>` has it."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from kakusan.checkpoints.single_file.header import read_header
from kakusan.errors import CheckpointError, ModelNotFoundError, nearest, shown, shown_path

SUFFIXES = (".safetensors", ".sft", ".pt", ".bin", ".ckpt", ".pth")
DEEPEST, MOST = 6, 20_000  # folders below one that is given, and folders at all
# AUTOMATIC1111's extensions write names so: cat(0123456789ab)
_HASHED = re.compile(r"(.+?)\s*\([0-9a-fA-F]{8,64}\)")


def find_adapter(name: str, folders: Sequence[Path]) -> Path:
    """The file that a name means: its stem, its path below the folder, or its `ss_output_name`.

    Folders are looked through in their order, with all below them; what is written exactly so
    counts before what differs in case. Of several the first by its path is taken.

    Raises:
        ModelNotFoundError: There is none; the message says where it was looked for.
    """
    files = list(adapter_files(folders))
    wanted = name.strip().replace("\\", "/")
    names = [wanted, *([match[1]] if (match := _HASHED.fullmatch(wanted)) else [])]
    for each in names:
        if (found := _named(each, files)) is not None:
            return found
    if (found := _said(names, files)) is not None:
        return found
    more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
    places = ", ".join(shown_path(each) for each in folders[:3])
    where = f" in {places}{more}" if folders else ""
    near = nearest(name[:100], {file.stem for _, file in files}) if files else ""
    advice = "" if folders else ": name the folder that it is in"
    raise ModelNotFoundError(f"there is no adapter {shown(name)}{where}{advice}.{near}")


def adapter_files(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each file that may be an adapter, with the folder that was given, in order.

    Raises:
        ModelNotFoundError: A folder is none.
    """
    for folder in folders:
        if not folder.is_dir():
            raise ModelNotFoundError(f"there is no folder {shown_path(folder)} of adapters.")
        depth = len(folder.parts)
        for count, (parent, below, names) in enumerate(os.walk(folder)):
            if count == MOST:
                break
            here = Path(parent)
            deepest = len(here.parts) - depth >= DEEPEST
            below[:] = [] if deepest else sorted(each for each in below if each[0] != ".")
            ours = (each for each in sorted(names) if each.casefold().endswith(SUFFIXES))
            yield from ((folder, here / each) for each in ours)


def _named(name: str, files: Sequence[tuple[Path, Path]]) -> Path | None:
    for fold in (str, str.casefold):
        wanted = fold(name)
        for folder, file in files:
            below = file.relative_to(folder)
            ways = (file.stem, file.name, below.as_posix(), below.with_suffix("").as_posix())
            if wanted in map(fold, ways):
                return file
    return None


def _said(names: Sequence[str], files: Sequence[tuple[Path, Path]]) -> Path | None:
    """By the name that the trainer gave it, which the file's own may have replaced."""
    wanted = {each.casefold() for each in names}
    for _, file in files:
        try:
            said = read_header(file).metadata.get("ss_output_name", "")
        except CheckpointError:  # a pickle, or a broken file, which another may still be
            continue
        if said.casefold() in wanted:
            return file
    return None
