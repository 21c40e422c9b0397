"""A small but real CLIP vocabulary: the byte alphabet, word ends, and merges for some words."""

import json
from pathlib import Path

WORDS = [
    *("a", "an", "of", "on", "the", "in", "photo", "photograph", "cat", "dog", "horse", "riding"),
    *("astronaut", "red", "blue", "background", "sky", "tea", "time", "manga", "word", "blur"),
]
START, END = "<|startoftext|>", "<|endoftext|>"


def alphabet() -> list[str]:
    """The 256 characters that stand for bytes; printable ones stand for themselves and come first.

    "!" is the first and so has the id 0, as in the published vocabulary.
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = 256 - len(printable)
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(others)]


def merges() -> list[tuple[str, str]]:
    """Each word grows from its first letter on; the last letter carries the word's end."""
    pairs: dict[tuple[str, str], None] = {}
    for word in WORDS:
        letters = [*word[:-1], f"{word[-1]}</w>"]
        for index in range(1, len(letters)):
            pairs["".join(letters[:index]), letters[index]] = None
    return list(pairs)


def vocabulary() -> dict[str, int]:
    """Token to id: bytes, bytes that end a word, merged tokens, the two special ones."""
    single = alphabet()
    tokens = [*single, *(f"{letter}</w>" for letter in single)]
    tokens += dict.fromkeys("".join(pair) for pair in merges())
    return {token: index for index, token in enumerate(dict.fromkeys([*tokens, START, END]))}


def write_files(folder: Path, *, pad_token: str) -> None:
    """The four files of a published tokenizer, which has no tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges())]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {
        "bos_token": _added(START),
        "eos_token": _added(END),
        "pad_token": pad_token,
        "unk_token": _added(END),
    }
    config = {
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
        "pad_token": pad_token,
        "bos_token": _added(START) | {"__type": "AddedToken"},
        "eos_token": _added(END) | {"__type": "AddedToken"},
        "unk_token": _added(END) | {"__type": "AddedToken"},
    }
    for name, content in (
        ("vocab.json", vocabulary()),
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", config),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")


def _added(token: str) -> dict[str, object]:
    return {
        "content": token,
        "lstrip": False,
        "normalized": True,
        "rstrip": False,
        "single_word": False,
    }
