"""CLIP's own vocabulary, which comes with the package: single files hold no tokenizer.

The merges are OpenAI's, see `clip/LICENSE`.
"""

import functools
import gzip
from pathlib import Path

from kakusan.text.vocabulary import AddedToken, Vocabulary

_MERGES = Path(__file__).parent / "clip" / "merges.txt.gz"
_WORD_END = "</w>"
START, END = "<|startoftext|>", "<|endoftext|>"
# What fills texts up: version 1 and SDXL's first encoder, and version 2 and SDXL's second
PAD_END, PAD_ZERO = END, "!"


@functools.cache
def clip_vocabulary(pad_token: str = PAD_END) -> Vocabulary:
    """The 49,408 tokens of every Stable Diffusion's text encoders.

    Args:
        pad_token: `PAD_END` or `PAD_ZERO`.
    """
    lines = gzip.decompress(_MERGES.read_bytes()).decode().splitlines()
    merges = [(left, right) for left, right in (line.split(" ") for line in lines)]
    letters = _letters()
    tokens = [*letters, *(letter + _WORD_END for letter in letters)]
    tokens += [left + right for left, right in merges]
    tokens += [START, END]
    ids = {token: index for index, token in enumerate(tokens)}
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": pad_token}
    added = {ids[token]: AddedToken(token) for token in {START, END, pad_token}}
    return Vocabulary(ids=ids, merges=merges, special=special, added=added)


def _letters() -> list[str]:
    """The printed character of each byte, those that print as themselves first."""
    printed = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    return [chr(byte) for byte in printed] + [chr(256 + index) for index in range(len(others))]
