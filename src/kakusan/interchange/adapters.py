"""Which of the user's own adapters a picture of another tool means, by hash and name.

What a picture names is compared with the files in the user's folders, and never opened.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kakusan.checkpoints.adapters.finding import adapter_files, find_adapters
from kakusan.errors import shown, shown_path
from kakusan.images.foreign.told import Lora
from kakusan.interchange.models import HashesOf, has_digits, plain_digits


class FoundAdapter(NamedTuple):
    """A file that a picture means.

    Attributes:
        by_hash: whether it is known to be the very one.
        told: that its name and its hash disagree, in a few words; None where they do not.
    """

    file: Path
    by_hash: bool = False
    told: str | None = None


def find_adapter(says: Lora, folders: Sequence[Path], hashes_of: HashesOf) -> FoundAdapter | None:
    """The file that a picture means; what its hash says counts before its name.

    Args:
        hashes_of: of a file, as `kakusan.checkpoints.facts.hashes_of` gives them.
    """
    last = says.name.replace("\\", "/").rpartition("/")[2]
    named = find_adapters([says.name, last], folders)
    digits = plain_digits(says.hash)
    if digits is None:
        return FoundAdapter(named[0]) if named else None
    name = f"the LoRA {shown(says.name)}"
    for file in dict.fromkeys([*named, *(each for _, each in adapter_files(folders))]):
        if has_digits(file, digits, hashes_of):
            told = None if file in named else f"{name} is {shown_path(file)} by its hash"
            return FoundAdapter(file, True, told)
    if not named:
        return None
    told = f"{name} as it was: {shown_path(named[0])} has another hash than {digits}"
    return FoundAdapter(named[0], told=told)
