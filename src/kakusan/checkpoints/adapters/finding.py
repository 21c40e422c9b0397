"""Which files among a user's folders an adapter's name means, as `<lora:name:1>` has it."""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from kakusan.checkpoints.single_file.header import read_header
from kakusan.errors import CheckpointError, nearest

SUFFIXES = (".safetensors", ".sft", ".pt", ".bin", ".ckpt", ".pth")
_PLAIN = (".safetensors", ".sft")
DEEPEST, MOST = 6, 20_000  # folders below one that is given, and folders at all
# AUTOMATIC1111's extensions write names so: cat(0123456789ab)
_HASHED = re.compile(r"(.+?)\s*\([0-9a-fA-F]{8,64}\)")


def find_adapters(names: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """The files that any of an adapter's names means, the likeliest first.

    A name is a file's stem, its path below the folder, or its `ss_output_name`. Folders are looked
    through in their order, with all below them; what is written exactly so counts before what
    differs in case. Nothing but these files is ever named.
    """
    files = list(adapter_files(folders))
    wanted = dict[str, None]()
    for name in names:
        plain = name.strip().replace("\\", "/")
        short = _HASHED.fullmatch(plain)
        wanted |= dict.fromkeys([plain, *([short[1]] if short else [])])
    wanted.pop("", None)
    found = dict.fromkeys(file for each in wanted for file in _named(each, files))
    return list(found or dict.fromkeys(_said(wanted, files)))


def nearest_adapters(name: str, folders: Sequence[Path]) -> str:
    """The end of a message about a name that no file has; "" where there is no file."""
    stems = {file.stem for _, file in adapter_files(folders)}
    return nearest(name[:100], stems) if stems else ""


def adapter_files(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Each file that may be an adapter, with the folder that was given, in order.

    Of files side by side those without pickles come first, which nothing can hide in.
    """
    for folder in folders:
        depth = len(folder.parts)
        for count, (parent, below, names) in enumerate(os.walk(folder)):
            if count == MOST:
                break
            here = Path(parent)
            deepest = len(here.parts) - depth >= DEEPEST
            below[:] = [] if deepest else sorted(each for each in below if each[0] != ".")
            named = (each for each in names if each.casefold().endswith(SUFFIXES))
            ours = sorted(named, key=lambda each: (not each.casefold().endswith(_PLAIN), each))
            yield from ((folder, here / each) for each in ours)


def _named(name: str, files: Sequence[tuple[Path, Path]]) -> Iterator[Path]:
    for fold in (str, str.casefold):
        wanted = fold(name)
        for folder, file in files:
            below = file.relative_to(folder)
            ways = (file.stem, file.name, below.as_posix(), below.with_suffix("").as_posix())
            if wanted in map(fold, ways):
                yield file


def _said(names: Iterable[str], files: Sequence[tuple[Path, Path]]) -> Iterator[Path]:
    """By the name that the trainer gave it, which the file's own may have replaced."""
    wanted = {each.casefold() for each in names}
    for _, file in files:
        try:
            said = read_header(file).metadata.get("ss_output_name", "")
        except CheckpointError:  # a pickle, or a broken file, which another may still be
            continue
        if said.casefold() in wanted:
            yield file
