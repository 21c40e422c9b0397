"""Learns the tokenizer's vocabulary from the captions: byte-level BPE in CLIP's file form."""

from collections import Counter
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from kakusan.checkpoints.files import write_json, write_text

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"

Pair = tuple[str, str]


def byte_characters() -> list[str]:
    """Return the 256 printable characters that stand for the bytes, in the published order.

    A byte that prints as itself in Latin-1 stands for itself; the others follow as U+0100 onwards
    (the byte-level BPE of GPT-2, which CLIP took over).
    """
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    return [chr(byte) for byte in printable] + [chr(0x100 + n) for n in range(256 - len(printable))]


def learn_merges(captions: Iterable[str]) -> list[Pair]:
    """Return the merges, in order, after which every word of the captions is one token.

    Captions hold ASCII letters, spaces and commas. The most frequent pair is merged first, ties in
    alphabetical order (arXiv:1508.07909, Algorithm 1).
    """
    counts = Counter(word for text in captions for word in text.replace(",", " , ").split())
    words = {(*word[:-1], word[-1] + WORD_END): count for word, count in counts.items()}
    merges: list[Pair] = []
    while True:
        pairs: Counter[Pair] = Counter()
        for pieces, count in words.items():
            for pair in pairwise(pieces):
                pairs[pair] += count
        if not pairs:
            return merges
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merged(pieces, best): count for pieces, count in words.items()}


def _merged(pieces: tuple[str, ...], pair: Pair) -> tuple[str, ...]:
    result: list[str] = []
    for piece in pieces:
        if result and (result[-1], piece) == pair:
            result[-1] += piece
        else:
            result.append(piece)
    return tuple(result)


def write_tokenizer(folder: Path, merges: list[Pair], length: int = 77) -> int:
    """Write the tokenizer's published files and return the size of its vocabulary."""
    characters = byte_characters()
    tokens = [*characters, *(c + WORD_END for c in characters), *("".join(m) for m in merges)]
    tokens = [*dict.fromkeys(tokens), START, END]
    write_json(folder / "vocab.json", {token: index for index, token in enumerate(tokens)})
    lines = ["#version: 0.2", *(" ".join(merge) for merge in merges)]
    write_text(folder / "merges.txt", "\n".join(lines) + "\n")
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", {**special})
    write_json(
        folder / "tokenizer_config.json",
        {
            **special,
            "add_prefix_space": False,
            "do_lower_case": True,
            "errors": "replace",
            "model_max_length": length,
            "tokenizer_class": "CLIPTokenizer",
        },
    )
    return len(tokens)
