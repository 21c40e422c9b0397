"""Embeddings that AUTOMATIC1111's own classes made of prompts, kept in `webui_embeddings.npz`.

    python -m tests.oracle.webui_embeddings FORGE LARK

makes the file again: from the class as Forge keeps it, `backend/text_processing/classic_engine.py`,
`emphasis.py` and `parsing.py` beside AUTOMATIC1111's `modules/prompt_parser.py`
(lllyasviel/stable-diffusion-webui-forge, commit dfdcbab), and lark 1.3.1. The text encoders are
those of `tests.oracle.tiny`. Rows are the texts of a schedule, encoded together.
"""

import argparse
import importlib
import sys
import tempfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch

from tests.oracle import bpe, tiny

FILE = Path(__file__).with_suffix(".npz")
STEPS = 4
LONG = "a red cat, " * 9
# Every letter of a word that the vocabulary lacks is a token
CASES: dict[str, tuple[str, str]] = {
    "plain": ("a red cat", "Original"),
    "empty": ("", "Original"),
    "weights": ("a (red:1.4) cat, [blue] (dog:0.3)", "Original"),
    "no norm": ("a (red:1.4) cat, [blue] (dog:0.3)", "No norm"),
    "ignore": ("a (red:1.4) cat, [blue] (dog:0.3)", "Ignore"),
    "none": ("a (red:1.4) BREAK", "None"),
    "break": ("a cat BREAK a (dog:1.2)", "Original"),
    "breaks": ("BREAK", "Original"),
    "comma": (f"{LONG * 2} xylophone zebra zebra (quartz:1.3)", "Original"),
    "no comma": ("(photograph of tea:0.7) " + "zebra " * 18, "Original"),
    "schedule": ("a [(red:1.5):blue:2] cat", "Original"),
    "alternation": ("[(cat:1.3)|dog|dog] of tea", "Original"),
    "uneven": (f"[a (cat:1.2):{LONG * 3}:0.5]", "Original"),
}
# The family's name, its text encoder, padding, whether states are normalised, the layer, and
# which cases; SDXL's second pads with 0 as version 2 does
ENCODERS: dict[str, tuple[str, int, tuple[str, ...]]] = {
    "v1": (bpe.END, 1, tuple(CASES)),
    "v1, clip skip 2": (bpe.END, 2, ("weights",)),
    "v2": ("!", 1, ("weights", "comma")),
    "xl": (bpe.END, 2, ("plain", "weights", "uneven")),
    "xl_2": ("!", 2, ("plain", "weights", "uneven")),
}


def schedule_of(parser: Any, text: str) -> list[str]:
    """The texts of a prompt's schedule, in turn."""
    return [each for _, each in parser.get_learned_conditioning_prompt_schedules([text], STEPS)[0]]


def engine(kind: Any, name: str) -> Any:
    """AUTOMATIC1111's encoder of a family."""
    pad, skip, _ = ENCODERS[name]
    second = name == "xl_2"
    network: Any = tiny.text_encoder_2() if second else tiny.text_encoder(**_changes(name))
    network.requires_grad_(False)
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = tiny.tokenizer(Path(folder), pad)

    def run(tokens: Any, output_hidden_states: bool = True) -> SimpleNamespace:
        found = network(tokens, output_hidden_states=output_hidden_states)
        pooled = found.text_embeds if second else found.pooler_output
        return SimpleNamespace(hidden_states=found.hidden_states, pooler_output=pooled)

    transformer: Any = run
    inner = network.text_model if second and hasattr(network, "text_model") else network
    transformer.text_model = inner
    encoder = SimpleNamespace(transformer=transformer)
    return kind(
        encoder,
        tokenizer,
        clip_skip=skip,
        return_pooled=second,
        final_layer_norm=not name.startswith("xl"),
    )


def _changes(name: str) -> dict[str, Any]:
    return tiny.V2.text if name == "v2" else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("forge", type=Path)
    parser.add_argument("lark", type=Path)
    asked = parser.parse_args()
    options = SimpleNamespace(emphasis="Original")
    stand_ins = {
        "modules.shared": {"opts": options},
        "backend.memory_management": {"text_encoder_device": lambda: torch.device("cpu")},
        "backend.text_processing.textual_inversion": {"EmbeddingDatabase": _NoEmbeddings},
    }
    for name, values in stand_ins.items():
        module = ModuleType(name)
        vars(module).update(values)
        sys.modules[name] = module
    sys.path[:0] = [str(asked.forge), str(asked.lark)]
    prompts = importlib.import_module("modules.prompt_parser")
    classic = importlib.import_module("backend.text_processing.classic_engine")
    made: dict[str, Any] = {}
    with torch.no_grad():
        for name, (_, _, cases) in ENCODERS.items():
            own = engine(classic.ClassicTextProcessingEngine, name)
            for case in cases:
                text, options.emphasis = CASES[case]
                found = own(schedule_of(prompts, text))
                states, pooled = found if name == "xl_2" else (found, None)
                made[f"{name}/{case}"] = states.numpy()
                if pooled is not None:
                    made[f"{name}/{case}/pooled"] = pooled.numpy()
    np.savez_compressed(FILE, **made)


class _NoEmbeddings:
    """A database of textual inversions, without any."""

    def __init__(self, *_: Any) -> None:
        self.fixes: Any = None

    def find_embedding_at_position(self, *_: Any) -> tuple[None, None]:
        return None, None


if __name__ == "__main__":
    main()
