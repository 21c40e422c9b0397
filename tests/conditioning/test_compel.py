"""compel's weights, blends and chains: whole tensors beside compel's own."""

from pathlib import Path

import numpy as np
import pytest
import torch

from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline
from kakusan.conditioning import Compel, Turns, encode_parsed, reader, readers
from kakusan.prompts import parse
from tests.oracle import compel_prompts
from tests.oracle.compel_prompts import CASES, XL

WANTED = np.load(compel_prompts.FILE)
STEPS = 10


def close(turns: Turns, name: str) -> None:
    wanted = torch.from_numpy(WANTED[name])
    (found,) = turns.each
    assert found.tokens.shape == wanted.shape
    torch.testing.assert_close(found.tokens, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_states_are_compels(tiny_v1: Path, case: str) -> None:
    pipe = StableDiffusionPipeline.from_pretrained(tiny_v1)
    own = reader(pipe.tokenizer, pipe.engine, None)
    parsed = parse(CASES[case], "compel", STEPS)
    (turns,) = encode_parsed([parsed], [CASES[case]], [own], Compel())
    close(turns, f"v1/{case}")


@pytest.mark.parametrize("case", XL)
def test_both_encoders_of_sdxl_are(tiny_xl: Path, case: str) -> None:
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_xl)
    both = readers((pipe.tokenizer, pipe.tokenizer_2), pipe.engine, None)
    parsed = parse(CASES[case], "compel", STEPS)
    (turns,) = encode_parsed([parsed] * 2, [CASES[case]] * 2, both, Compel())
    close(turns, f"xl/{case}")
    pooled = turns.each[0].pooled
    assert pooled is not None
    wanted = torch.from_numpy(WANTED[f"xl/{case}/pooled"])
    torch.testing.assert_close(pooled, wanted, atol=1e-5, rtol=1e-5)
