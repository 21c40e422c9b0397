"""Embeddings that compel made of prompts, kept in `compel_prompts.npz`.

    python -m tests.oracle.compel_prompts FOLDER

makes the file again, with compel 2.5.1 and pyparsing 3.3.3 in FOLDER. The text encoders are those
of `tests.oracle.tiny`. Long texts are cut as InvokeAI has them cut. compel 2.5.1 hands each text to
the tokenizer twice, as a text and as the one that it is compared with, which doubles every prompt
with today's tokenizers; they are given it once here, as its earlier versions do.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.oracle import bpe, tiny

FILE = Path(__file__).with_suffix(".npz")
LONG = "a photo of a red cat, "
CASES = {
    "plain": "a red cat",
    "up": "a cat++ on the (red sky)1.3",
    "down": "a red cat- on a (blue sky)0.4",
    "nothing left": "a (red)0 cat",
    "both": "(a (dog)1.5 and)0.8 of tea+",
    "blend": '("a red cat", "blue tea").blend(0.7, 0.3)',
    "blend with weights": '("a red cat+", "(blue)0.5 tea").blend(1, 0.5)',
    "as given": '("a red cat", "blue tea").blend(1, -0.3, no_normalize)',
    "chained": '("a red cat", "blue tea").and()',
    "chained with weights": '("a red cat", "blue+ tea").and(1, 0.5)',
    "sentence": LONG * 5 + "a dog. " + LONG * 9,
    "phrase": LONG * 14 + "a cat+",
    "word": "a red cat on the blue sky of tea " * 11 + "(dog)0.5",
}
XL = ("plain", "down", "chained", "sentence")


class Alone:
    """A tokenizer that reads a text once; what else is asked of it, it has."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def __call__(self, texts: list[str], _pairs: object = None, **options: Any) -> Any:
        return self._tokenizer(texts, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    sys.path.insert(0, str(parser.parse_args().folder))
    compel: Any = importlib.import_module("compel")
    modes: Any = importlib.import_module("compel.embeddings_provider").SplitLongTextMode
    common = {"truncate_long_prompts": False, "split_long_text_mode": modes.SENTENCES}

    def tokenizer(pad: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            return Alone(tiny.tokenizer(Path(folder), pad))

    v1 = compel.Compel(tokenizer(bpe.END), tiny.text_encoder(), **common)
    xl = compel.Compel(
        [tokenizer(bpe.END), tokenizer("!")],
        [tiny.text_encoder(), tiny.text_encoder_2()],
        returned_embeddings_type=compel.ReturnedEmbeddingsType.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED,
        requires_pooled=[False, True],
        **common,
    )
    made: dict[str, Any] = {}
    with torch.no_grad():
        for case, text in CASES.items():
            made[f"v1/{case}"] = v1(text).numpy()
        for case in XL:
            states, pooled = xl(CASES[case])
            made[f"xl/{case}"], made[f"xl/{case}/pooled"] = states.numpy(), pooled.numpy()
    np.savez_compressed(FILE, **made)


if __name__ == "__main__":
    main()
