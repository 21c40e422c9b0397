"""Learnt words are loaded, drawn with and forgotten as in the reference library."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from kakusan import StableDiffusionPipeline
from tests.oracle import tiny

DRAWN: dict[str, Any] = {"num_inference_steps": 2, "output_type": "np", "height": 64, "width": 64}
PROMPT = "a photo of <cat-toy> in the STYLE of moebius, <cat-toy>"


def vectors(count: int, width: int = 32, seed: int = 7) -> Tensor:
    made = torch.randn(count, width, generator=torch.Generator().manual_seed(seed))
    return made if count > 1 else made[0]


def drawn(pipe: Any, prompt: str = PROMPT, **more: Any) -> Any:
    return pipe(prompt, generator=torch.Generator().manual_seed(1), **DRAWN, **more).images


def same(ours: Any, theirs: Any) -> None:
    assert np.abs(ours - theirs).max() <= 1.01 / 255


@pytest.fixture
def both(tiny_v1: Path) -> Iterator[tuple[StableDiffusionPipeline, Any]]:
    """The same model here and in the reference library."""
    with tiny.quiet():
        theirs = diffusers.StableDiffusionPipeline.from_pretrained(tiny_v1, safety_checker=None)
        theirs.set_progress_bar_config(disable=True)
        ours = StableDiffusionPipeline.from_pretrained(tiny_v1)
        ours.set_progress_bar_config(disable=True)
        yield ours, theirs


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A word of three vectors in diffusers' form, and one of one in AUTOMATIC1111's."""
    save_file({"<cat-toy>": vectors(3)}, tmp_path / "learned_embeds.safetensors")
    old = {
        "string_to_token": {"*": 265},
        "string_to_param": {"*": vectors(1, seed=8)[None]},
        "name": "moebius",
        "step": 1200,
        "sd_checkpoint": "4bdfc29c",
        "sd_checkpoint_name": "v1-5",
    }
    torch.save(old, tmp_path / "moebius.pt")
    return [str(tmp_path / name) for name in ("learned_embeds.safetensors", "moebius.pt")]


def load_both(ours: Any, theirs: Any, files: list[str]) -> None:
    ours.load_textual_inversion(files)
    for file in files:
        path = Path(file)
        theirs.load_textual_inversion(path.parent, weight_name=path.name)


def test_words_are_the_references(both: Any, files: list[str]) -> None:
    ours, theirs = both
    before = drawn(ours)
    load_both(ours, theirs, files)
    tokens = ["<cat-toy>", "<cat-toy>_1", "<cat-toy>_2", "moebius"]
    ids = ours.tokenizer.convert_tokens_to_ids(tokens)
    assert ids == theirs.tokenizer.convert_tokens_to_ids(tokens)
    assert len(ours.tokenizer) == len(theirs.tokenizer)
    converted = ours.maybe_convert_prompt(PROMPT, ours.tokenizer)
    assert converted == theirs.maybe_convert_prompt(PROMPT, theirs.tokenizer)
    assert ours.maybe_convert_prompt(converted, ours.tokenizer) == converted
    assert ours.tokenizer(converted).input_ids == theirs.tokenizer(converted).input_ids
    now = drawn(ours)
    same(now, drawn(theirs))
    assert np.abs(now - before).max() > 0.02
    same(
        drawn(ours, "a dog", negative_prompt=PROMPT), drawn(theirs, "a dog", negative_prompt=PROMPT)
    )
    table = ours.text_encoder.get_input_embeddings().weight
    assert torch.equal(table[ids], theirs.text_encoder.get_input_embeddings().weight[ids])
    same(drawn(ours), now)


def test_forgetting_leaves_all_as_it_was(both: Any, files: list[str]) -> None:
    ours, theirs = both
    tokenizer, before = ours.tokenizer, copy.deepcopy(ours.text_encoder.state_dict())
    config, pictures = ours.text_encoder.config, drawn(ours)
    load_both(ours, theirs, files)
    ours.unload_textual_inversion("<cat-toy>")
    theirs.unload_textual_inversion(["<cat-toy>", "<cat-toy>_1", "<cat-toy>_2"])
    same(drawn(ours), drawn(theirs))
    assert len(ours.tokenizer) == len(theirs.tokenizer)
    ours.unload_textual_inversion()
    assert ours.tokenizer is tokenizer
    assert ours.text_encoder.config == config
    after = ours.text_encoder.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert np.array_equal(drawn(ours), pictures)
