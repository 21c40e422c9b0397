"""The files of learnt words that a record names: among what the user named, by their hashes.

A picture from anywhere must not make us read a file that the user never named.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath

from kakusan.checkpoints.hub_file import hub_file
from kakusan.checkpoints.regular import read_regular
from kakusan.errors import ArgumentError, InputError, shown, shown_path

SUFFIXES = (".safetensors", ".pt", ".bin")
MOST_BYTES = 2**26
MOST_FILES = 20_000
PathLike = str | os.PathLike[str]
Entry = Mapping[str, str]


def embeddings_again(
    recorded: Sequence[Entry] | None,
    given: Sequence[PathLike] | PathLike | None,
    *,
    trusted: bool,
) -> tuple[Entry, ...] | None:
    """A record's embeddings, with the user's files in the place of those that it names.

    Args:
        given: files and folders that the user names.
        trusted: whether the record's own may be used.

    Raises:
        ArgumentError: One is not among them, and may not be used unasked.
    """
    if not recorded:
        return None
    named = [given] if isinstance(given, str | os.PathLike) else list(given or ())
    texts = [os.fspath(each) for each in named]
    known = {digest: path for path, digest in _hashed(texts)} if texts else {}
    found: list[Entry] = []
    for entry in recorded:
        digest = entry.get("hash", "").lower()
        same = [path for each, path in known.items() if digest and each.startswith(digest)]
        if same:
            # prompts may name it by the name that its file had
            name = entry.get("name", PurePath(entry["file"]).name)
            found.append({**entry, "file": str(same[0]), "name": name})
        elif entry["file"] in texts or trusted or is_at_hand(entry):
            found.append(entry)
        else:
            raise _missing(entry, texts)
    return tuple(found)


def is_at_hand(entry: Entry) -> bool:
    """Whether a recorded file is one of the hub's that the cache has."""
    file = hub_file(entry["file"])
    if file is None or Path(entry["file"]).exists():
        return False
    from kakusan.checkpoints.fetching import cached_file

    return cached_file(file) is not None


def _missing(entry: Entry, looked: Sequence[str]) -> ArgumentError:
    where = ", ".join(map(shown_path, looked[:4]))
    return ArgumentError(
        "the record names the embedding {0} (hash {1}, then at {2}){3}; say with {embeddings} "
        "where it is",
        shown(entry.get("token", "")),
        shown(entry.get("hash", "unknown")),
        shown_path(entry["file"]),
        f", and no file with that hash is in {where}" if looked else "",
    )


def _hashed(named: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """Files, and those in folders that may be embeddings, with their SHA-256."""
    for name in named:
        path = Path(name).expanduser()
        files = [path] if path.is_file() else []
        if path.is_dir():
            found = (each for each in path.rglob("*") if each.suffix.lower() in SUFFIXES)
            files = [each for each, _ in zip(found, range(MOST_FILES), strict=False)]
        for each in sorted(files):
            try:
                data = read_regular(each, most_bytes=MOST_BYTES)
            except InputError:  # what is too large is none
                continue
            yield each.absolute(), hashlib.sha256(data).hexdigest()
