"""Embeddings that ComfyUI's own functions made of prompts, kept in `comfy_prompts.npz`.

    python -m tests.oracle.comfy_prompts FILE

makes the file again: from the functions and the class of `comfy/sd1_clip.py` that weigh texts (as
in the fork hiddenswitch/pip-and-uv-installable-ComfyUI, commit 87606c5). The text encoders are
those of `tests.oracle.tiny`. Texts fit into one chunk: how longer ones are cut has changed there
since.
"""

import argparse
import ast
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.oracle import bpe, tiny

FILE = Path(__file__).with_suffix(".npz")
CASES = {
    "plain": "a red cat",
    "weights": "a (red:1.4) cat, [blue] (dog:0.3)",
    "nested": "((a (red:0.5) cat) on tea:1.2)",
    "escaped": r"a \(red\) (cat:-0.5)",
    "empty": "",
}
FAMILIES = ("v1", "v2", "xl", "xl_2")
TAKEN = (
    *("gen_empty_tokens", "ClipTokenWeightEncoder", "parse_parentheses", "token_weights"),
    *("escape_important", "unescape_important"),
)


def functions(file: Path) -> dict[str, Any]:
    """Those of ComfyUI that are needed, without what the file imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if getattr(node, "name", None) in TAKEN]
    cpu = SimpleNamespace(intermediate_device=lambda: torch.device("cpu"))
    found: dict[str, Any] = {"torch": torch, "model_management": cpu, "Callable": Callable}
    exec(compile(tree, str(file), "exec"), found)
    return found


def network_of(family: str) -> tuple[Any, Any]:
    """A text encoder and its tokenizer."""
    changes = tiny.V2.text if family == "v2" else {}
    network = tiny.text_encoder_2() if family == "xl_2" else tiny.text_encoder(**changes)
    with tempfile.TemporaryDirectory() as folder:
        pad = "!" if family in ("v2", "xl_2") else bpe.END
        return network, tiny.tokenizer(Path(folder), pad)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    own = functions(parser.parse_args().file)
    made: dict[str, Any] = {}
    for family in FAMILIES:
        network, tokenizer = network_of(family)
        encoder = _encoder(own["ClipTokenWeightEncoder"], network, tokenizer, family)
        for case, text in CASES.items():
            pairs = [(tokenizer.bos_token_id, 1.0)]
            for part, weight in own["token_weights"](own["escape_important"](text), 1.0):
                for word in own["unescape_important"](part).split(" "):
                    ids = tokenizer(word, add_special_tokens=False)["input_ids"]
                    pairs += [(index, weight) for index in ids]
            pairs.append((tokenizer.eos_token_id, 1.0))
            pairs += [(tokenizer.pad_token_id, 1.0)] * (77 - len(pairs))
            with torch.no_grad():
                made[f"{family}/{case}"] = encoder.encode_token_weights([pairs])[0].numpy()
    np.savez_compressed(FILE, **made)


def _encoder(kind: Any, network: Any, tokenizer: Any, family: str) -> Any:
    """ComfyUI's encoder over a network: SDXL takes the states before the last layer."""

    class Encoder(kind):
        special_tokens = {  # noqa: RUF012
            "start": tokenizer.bos_token_id,
            "end": tokenizer.eos_token_id,
            "pad": tokenizer.pad_token_id,
        }

        def encode(self, tokens: Any) -> tuple[Any, None]:
            found = network(torch.tensor(tokens), output_hidden_states=True)
            is_xl = family.startswith("xl")
            return (found.hidden_states[-2] if is_xl else found.last_hidden_state), None

    return Encoder()


if __name__ == "__main__":
    main()
