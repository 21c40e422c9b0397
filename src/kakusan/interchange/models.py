"""Which of the user's own models a picture means, by its hash and name.

What a picture names is compared with what is here, and never opened.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from kakusan.checkpoints.hub_file import WHOLE_MODEL
from kakusan.errors import InputError, shown

_SHORTEST, _LONGEST = 8, 64  # digits of a hash

HashesOf = Callable[[Path], Mapping[str, str]]


class Candidate(NamedTuple):
    """A model of the user's own.

    Attributes:
        name: as it is asked for: "builtin", a name of the hub, a folder or a file.
        path: its folder, or the single file that it is.
        commit: of the hub's.
    """

    name: str
    path: Path
    commit: str | None = None


class Found(NamedTuple):
    """A model that a picture means, and how that is known."""

    model: Candidate
    by: str


def find_named(
    name: str | None, digits: str | None, candidates: Sequence[Candidate], hashes_of: HashesOf
) -> Found | None:
    """The candidate that a picture means.

    Args:
        name: what the picture says; with or without folders and suffix.
        digits: of AUTOMATIC1111's hash: the first ten of the file's SHA-256, or the older eight.
        hashes_of: of a file, as `kakusan.checkpoints.facts.hashes_of` gives them.
    """
    wanted = _stem(name or "")
    named = [each for each in candidates if wanted and wanted in _stems(each)]
    digits = plain_digits(digits)
    if digits is None:
        return Found(named[0], "its name") if named else None
    others = [each for each in candidates if each not in named]
    for each in (*named, *others):
        if each.path.is_file() and has_digits(each.path, digits, hashes_of):
            return Found(each, "its hash and its name" if each in named else "its hash")
    # folders have no such hash
    without = [each for each in named if not each.path.is_file()]
    return Found(without[0], "its name, as a folder has no such hash") if without else None


def says_which(name: str | None, digits: str | None) -> str | None:
    """What a picture says of its model, in a few words; None where it says nothing."""
    if name is None and digits is None:
        return None
    named = "a model" if name is None else f"the model {shown(name)}"
    return named if digits is None else f"{named} with the hash {shown(digits)[1:-1]}"


def plain_digits(digits: str | None) -> str | None:
    """A hash's digits; None where they are of no file's SHA-256, as other tools have them."""
    plain = (digits or "").casefold().removeprefix("0x")
    fits = _SHORTEST <= len(plain) <= _LONGEST and all(c in "0123456789abcdef" for c in plain)
    return plain if fits else None


def has_digits(path: Path, digits: str, hashes_of: HashesOf) -> bool:
    """Whether a file has a hash of any kind that tools write: of all of it, or of its tensors."""
    try:
        hashes = hashes_of(path)
    except InputError:
        return False
    whole, of_tensors = hashes.get("sha256", ""), hashes.get("lora hash", "")
    known = (whole.startswith(digits), digits == hashes.get("old hash"))
    return any(known) or (bool(of_tensors) and of_tensors.startswith(digits[: len(of_tensors)]))


def _stems(candidate: Candidate) -> set[str]:
    """What a candidate may be called; a folder's or a repository's own name too."""
    return {_stem(candidate.name), candidate.name.casefold()} - {""}


def _stem(name: str) -> str:
    """The last part of a name without the suffix that files of models have, and without case."""
    last = PurePosixPath(name.replace("\\", "/")).name
    suffix = PurePosixPath(last).suffix.casefold()
    return (last[: -len(suffix)] if suffix in WHOLE_MODEL else last).strip().casefold()
