"""Words of textual inversion that a tokenizer was given, and their tokens."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class LearntWord(NamedTuple):
    """What is known of a learnt word beside its name.

    Attributes:
        vectors: how many it has, each of which is a token's.
        file: its file's name, or its path below the folder that it was found in; "" without one.
        source: where that file is: a path, or OWNER/NAME/FILE of the Hub.
        hash: the first digits of the file's SHA-256.
    """

    vectors: int
    file: str = ""
    source: str = ""
    hash: str = ""


def tokens_of(words: Mapping[str, LearntWord]) -> list[str]:
    """All tokens of learnt words, as the reference names them: `<word>`, `<word>_1`, ..."""
    return [
        name if index == 0 else f"{name}_{index}"
        for name, word in words.items()
        for index in range(word.vectors)
    ]


def without_learnt(text: str, words: Mapping[str, LearntWord]) -> str:
    """A text without the names of learnt words, as any syntax writes them."""
    for name, word in words.items():
        names = {name, Path(word.file).stem} - {""}
        own = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
        whole = rf"(?<!\w)(?:embedding:)?<?(?:{own})>?(?:\.(?:pt|bin|safetensors))?(?!\w)"
        text = re.sub(whole, " ", text, flags=re.IGNORECASE)
    return text
