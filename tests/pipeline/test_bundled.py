"""Embeddings in the file of an adapter are words of the prompts that it is on for."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import kakusan
from kakusan.errors import CheckpointError, InputError
from kakusan.request import Request
from tests.oracle.adapters import write_kohya

WORD = "ohwx"
SETTINGS: dict[str, Any] = {"num_inference_steps": 2, "height": 64, "width": 64, "seed": 3}


@pytest.fixture
def pipe(tiny_v1: Path) -> Any:
    made = kakusan.StableDiffusionPipeline.from_pretrained(tiny_v1)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture
def files(pipe: Any, tmp_path: Path) -> dict[str, Path]:
    """A LoRA, the same with a word, and the word alone, as a bundle and as an embedding."""
    vectors = torch.randn(2, 32, generator=torch.Generator().manual_seed(7))
    bundle = {f"bundle_emb.{WORD}.string_to_param.*": vectors}
    plain = tmp_path / "plain.safetensors"
    write_kohya(plain, {"unet": pipe.unet, "text_encoder": pipe.text_encoder}, 0)
    held = {"both": load_file(plain) | bundle, "bundle": bundle, WORD: {"emb_params": vectors}}
    for name, tensors in held.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
    return {name: tmp_path / f"{name}.safetensors" for name in ("plain", *held)}


def drawn(pipe: Any, prompt: str, **more: Any) -> tuple[np.ndarray, dict[str, Any]]:
    (picture,) = pipe.pictures(Request.of(prompt, **SETTINGS | more))
    return np.asarray(picture.image), picture.record


@pytest.mark.parametrize(
    ("syntax", "prompt"),
    [
        ("plain", "a ohwx cat"),
        ("webui", "a OHWX cat"),
        ("comfy", "a embedding:ohwx cat"),
        ("compel", "a <ohwx> cat"),
    ],
)
def test_it_is_as_if_the_word_was_given(
    pipe: Any, files: dict[str, Path], syntax: str, prompt: str
) -> None:
    asked: dict[str, Any] = {"loras": files["plain"], "prompt_syntax": syntax}
    wanted, _ = drawn(pipe, prompt, embeddings=[files[WORD]], **asked)
    found, record = drawn(pipe, prompt, **asked | {"loras": files["both"]})
    assert np.array_equal(found, wanted)
    assert "embeddings" not in record
    assert record["seed"] == SETTINGS["seed"]  # it makes the picture again
    again, _ = drawn(pipe, prompt, loras=[files["plain"], files["bundle"]], prompt_syntax=syntax)
    assert np.array_equal(again, wanted)
    if syntax != "comfy":
        assert not np.array_equal(wanted, drawn(pipe, prompt, **asked)[0])


def test_a_word_is_gone_with_its_adapter(pipe: Any, files: dict[str, Path]) -> None:
    before, _ = drawn(pipe, "a ohwx cat")
    wanted, _ = drawn(pipe, "a ohwx cat", loras=files["both"])
    pipe.load_lora_weights(files["both"], adapter_name="both")
    assert np.array_equal(drawn(pipe, "a ohwx cat")[0], wanted)
    pipe.unload_lora_weights()
    assert np.array_equal(drawn(pipe, "a ohwx cat")[0], before)


def test_what_is_given_besides_counts_before(pipe: Any, files: dict[str, Path]) -> None:
    save_file({"emb_params": torch.ones(1, 32)}, other := files[WORD].parent / "other.safetensors")
    entry = {"file": str(other), "token": WORD}
    wanted, _ = drawn(pipe, "a ohwx cat", loras=files["plain"], embeddings=[entry])
    found, record = drawn(pipe, "a ohwx cat", loras=files["both"], embeddings=[entry])
    assert np.array_equal(found, wanted)
    assert len(record["embeddings"]) == 1


def test_requests_of_a_named_model(tiny_v1: Path, files: dict[str, Path]) -> None:
    asked: dict[str, Any] = {"model": tiny_v1, "steps": 1, "seed": 1, "progress": False}
    comfy = {"prompt_syntax": "comfy", "loras": files["both"], **asked}
    (one,) = kakusan.generate("a embedding:ohwx", **comfy)
    (other,) = kakusan.generate("a ohwx", **comfy)
    assert not np.array_equal(one.image, other.image)
    with pytest.raises(InputError, match="no embedding 'ohwy'"):
        kakusan.generate("a embedding:ohwy", **comfy)
    again = kakusan.reproduce(one.record, model=tiny_v1, trust_loras=True, progress=False)
    assert np.array_equal(again.image, one.image)


def test_a_word_for_another_model_is_named(pipe: Any, files: dict[str, Path]) -> None:
    tensors = load_file(files["plain"]) | {f"bundle_emb.{WORD}.clip_l": torch.ones(1, 48)}
    save_file(tensors, files["both"])
    with pytest.raises(InputError, match="the embedding 'ohwx' is for"):
        drawn(pipe, "a cat", loras=files["both"])


def test_a_bundle_alone_is_nothing_to_have_on(pipe: Any, files: dict[str, Path]) -> None:
    with pytest.raises(CheckpointError, match="nothing but embeddings"):
        pipe.load_lora_weights(files["bundle"])
