"""Our pictures are read by sd-parsers and sd-prompt-reader; `read_elsewhere.py` asked them."""

import json
from pathlib import Path
from typing import Any

import pytest

from kakusan.images import read_parameters, save_image
from kakusan.images.exif import USER_COMMENT, tag_values
from kakusan.images.exif_writing import exif_block
from tests.images.carried import picture
from tests.images.read_elsewhere import GOLDEN, RECORDS, SUFFIXES

READ: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
PROMPTS = {
    "plain": ("a cat", "", "PLMS", "7"),
    "every setting": (
        "a (red:1.3) cat, 猫 🐱\nsecond line <lora:foo:0.8> <lora:bar:0.5>",
        "blurry, (dark:1.2)\nugly",
        "DPM++ 2M",
        str(2**64 - 1),
    ),
    "plain words": (
        "a \\(cat\\) \\[dog\\]\nNegative\\ prompt: none\nSteps\\: 3, Sampler: a boy",
        "\\(dark:1.2\\), Steps: 1, x",
        "PLMS",
        "7",
    ),
    "comfy": ("(a:1.5)( \\[b\\]:1.1)", "", "PLMS", "7"),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", RECORDS)
def test_other_readers_find_everything(name: str, suffix: str, tmp_path: Path) -> None:
    found = READ[name + suffix]
    path = save_image(picture(), tmp_path / f"a{suffix}", RECORDS[name])
    assert found["text"] == read_parameters(path), "ask them again: tests/images/read_elsewhere.py"
    prompt, negative, sampler, seed = PROMPTS[name]
    model = "dream v1.5" if name == "every setting" else "CompVis/stable-diffusion-v1-4"
    parsed, other = found["sd-parsers"], found["sd-prompt-reader"]
    assert (parsed["prompt"], parsed["negative"]) == ([prompt], [negative] if negative else [])
    assert (other["prompt"], other["negative"]) == (prompt, negative)
    assert parsed["sampler"] == other["settings"]["sampler"] == sampler
    assert parsed["model"] == other["settings"]["model"] == model
    assert parsed["settings"]["seed"] == other["settings"]["seed"] == seed
    assert parsed["settings"]["steps"] == other["settings"]["steps"] == "25"
    assert parsed["settings"]["cfg_scale"] == other["settings"]["cfg"] == "7.5"
    assert parsed["more"]["Size"] == other["settings"]["size"] == "512x448"
    if name == "every setting":
        assert parsed["settings"]["scheduler"] == "Karras"
        assert (parsed["more"]["VAE"], parsed["more"]["Clip skip"]) == ("sd-vae-ft-mse", "2")


@pytest.mark.parametrize("description", ["{}", '{"a": 1}', "{" + "x" * 70_001 + "}"])
@pytest.mark.parametrize("comment", ["", "a", "猫\nb", "🐱" * 501])
def test_a_block_is_read_back(description: str, comment: str) -> None:
    block = exif_block(description, comment)
    found = tag_values(block)
    assert found[0x010E] == [description.encode() + b"\0"]
    said = b"UNICODE\0" + comment.encode("utf-16-be")
    assert found.get(USER_COMMENT, []) == ([said] if comment else [])


def test_a_comment_is_of_the_standards_type() -> None:
    """As numbers, which Pillow writes, the web UI and its readers do not take it."""
    block = exif_block("{}", "a cat").removeprefix(b"Exif\0\0")
    at = block.index(b"\x92\x86")
    assert block[at + 2 : at + 4] == b"\0\x07"
