"""The learnt words (textual inversion) that a request names files of, and their checks."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from kakusan.errors import ArgumentError, shown

MOST = 1000
LONGEST = 4096  # characters of a path
KEYS = ("file", "token", "hash", "name")
Entry = Mapping[str, str]
_HASH = re.compile("[0-9a-fA-F]{8,64}")


@dataclass(frozen=True, kw_only=True)
class EmbeddedRequest:
    """What a request says of learnt words; None where it says nothing.

    Each of `embeddings` has a `file`: a path, OWNER/NAME or OWNER/NAME/FILE of the Hugging Face
    Hub, or a folder, of which those are read that prompts name. `token` is what prompts in the
    reference's way call it, in place of the name that it has; `name` is the file's name in other
    ways, where it lies under another or below a folder; `hash` is the first digits of its file's
    SHA-256, which must be these then. A record has those that its prompts name.
    """

    embeddings: tuple[Entry, ...] | None = None

    def checked_embeddings(self) -> tuple[Entry, ...] | None:
        """The field as it is stored; a text alone is a `file`.

        Raises:
            ArgumentError: It is something else.
        """
        given = cast(object, self.embeddings)
        if given is None:
            return None
        if isinstance(given, str | os.PathLike | Mapping):
            given = (cast(object, given),)
        if not isinstance(given, Sequence) or len(cast("Sequence[object]", given)) > MOST:
            raise ArgumentError(
                f"{{embeddings}} must be up to {MOST} files or folders, not {{0}}", shown(given)
            )
        return tuple(_entry(each) for each in cast("Sequence[object]", given)) or None


def _entry(value: object) -> dict[str, str]:
    found: dict[Any, Any] = {}
    if isinstance(value, str | os.PathLike):
        found = {"file": os.fspath(cast("str | os.PathLike[str]", value))}
    elif isinstance(value, Mapping):
        found = dict(cast("Mapping[Any, Any]", value))
    texts = all(isinstance(each, str) and 0 < len(each) <= LONGEST for each in found.values())
    hashed = not texts or "hash" not in found or _HASH.fullmatch(found["hash"])
    if "file" not in found or found.keys() - set(KEYS) or not texts or not hashed:
        raise ArgumentError(
            "{embeddings} has {0}; each must be a file, a folder, or a Hub id", shown(value)
        )
    return {key: found[key] for key in KEYS if key in found}
