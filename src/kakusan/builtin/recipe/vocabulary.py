"""Learns the tokenizer's vocabulary from the captions: byte-level BPE in CLIP's file form."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, models, trainers

from kakusan.checkpoints.files import write_json, write_text
from kakusan.text.backend import split_words

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


def learn_merges(captions: Iterable[str], size: int) -> list[Pair]:
    """Return at most `size` merges, in order, the most frequent pairs first (arXiv:1508.07909)."""
    learner = Tokenizer(models.BPE(end_of_word_suffix=WORD_END))
    split_words(learner)
    characters = byte_characters()
    trainer = trainers.BpeTrainer(
        vocab_size=2 * len(characters) + size,
        initial_alphabet=characters,
        # numbered before any word is read: numbers decide between pairs as frequent as one another
        special_tokens=[character + WORD_END for character in characters],
        end_of_word_suffix=WORD_END,
        show_progress=False,
    )
    learner.train_from_iterator(captions, trainer)
    merges = json.loads(learner.to_str())["model"]["merges"]
    return [(first, second) for first, second in merges]


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
