"""Prompts in chunks, weighed: whole tensors beside those of AUTOMATIC1111's own classes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kakusan import StableDiffusionPipeline, StableDiffusionXLPipeline
from kakusan.conditioning import Webui, encode_parsed, reader, readers
from kakusan.errors import RequestError
from kakusan.prompts import parse
from tests.oracle import webui_embeddings
from tests.oracle.webui_embeddings import CASES, ENCODERS, STEPS

WANTED = np.load(webui_embeddings.FILE)
NAMED = [(name, case) for name, (_, _, cases) in ENCODERS.items() for case in cases]


@pytest.fixture(scope="module")
def pipes(tiny_v1: Path, tiny_v2: Path, tiny_xl: Path) -> dict[str, Any]:
    return {
        "v1": StableDiffusionPipeline.from_pretrained(tiny_v1),
        "v2": StableDiffusionPipeline.from_pretrained(tiny_v2),
        "xl": StableDiffusionXLPipeline.from_pretrained(tiny_xl),
    }


def encoded(pipes: dict[str, Any], name: str, case: str) -> tuple[Tensor, Tensor | None]:
    """The states of a case's texts, as one of our encoders gives them."""
    text, mode = CASES[case]
    family = name.partition("_")[0].partition(",")[0]
    pipe = pipes[family]
    if family == "xl":
        both = readers((pipe.tokenizer, pipe.tokenizer_2), pipe.engine, None)
        own = both[name == "xl_2"]
    else:
        own = reader(pipe.tokenizer, pipe.engine, 1 if "skip" in name else None)
    (turns,) = encode_parsed([parse(text, "webui", STEPS)], [text], [own], Webui(mode))
    pooled = [each.pooled for each in turns.each]
    tokens = torch.cat([each.tokens for each in turns.each])
    return tokens, None if pooled[0] is None else torch.cat([p for p in pooled if p is not None])


@pytest.mark.parametrize(("name", "case"), NAMED)
def test_states_are_automatic1111s(pipes: dict[str, Any], name: str, case: str) -> None:
    tokens, pooled = encoded(pipes, name, case)
    wanted = torch.from_numpy(WANTED[f"{name}/{case}"])
    assert tokens.shape == wanted.shape
    torch.testing.assert_close(tokens, wanted, atol=2e-5, rtol=1e-5)
    if pooled is not None:
        found = torch.from_numpy(WANTED[f"{name}/{case}/pooled"])
        torch.testing.assert_close(pooled, found, atol=2e-5, rtol=1e-5)


def test_texts_that_are_the_same_are_one(pipes: dict[str, Any]) -> None:
    pipe = pipes["v1"]
    own = reader(pipe.tokenizer, pipe.engine, None)
    (turns,) = encode_parsed([parse("[a|b]", "webui", 6)], ["[a|b]"], [own], Webui())
    assert turns.untils == (1, 2, 3, 4, 5, 6)
    assert len({id(each) for each in turns.each}) == 2
    assert turns.at(0) is turns.at(1) is turns.at(3)
    assert turns.at(2) is turns.at(4) is not turns.at(1)


def test_what_has_no_weight_is_not_touched(pipes: dict[str, Any]) -> None:
    pipe = pipes["v1"]
    own = reader(pipe.tokenizer, pipe.engine, None)
    (turns,) = encode_parsed([parse("a cat", "webui", 6)], ["a cat"], [own], Webui())
    assert torch.equal(turns.each[0].tokens, pipe.encode_texts(["a cat"]))


def test_a_mean_of_zero_is_said(pipes: dict[str, Any]) -> None:
    from kakusan.conditioning.emphasis import emphasized

    states = torch.tensor([[[1.0], [-1.0]]])
    with pytest.raises(RequestError, match="nothing to restore the mean of"):
        emphasized(states, [[2.0, 2.0]], "Original", [1])
