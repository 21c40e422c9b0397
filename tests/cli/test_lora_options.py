"""Adapters as they are typed."""

from pathlib import Path

import pytest

from kakusan.cli.lora_options import read_loras
from kakusan.errors import ArgumentError
from kakusan.request.loras import Lora


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("a.safetensors", ("a.safetensors", 1.0, 1.0)),
        ("a.safetensors:0.8", ("a.safetensors", 0.8, 0.8)),
        ("a.safetensors:0.8:0.5", ("a.safetensors", 0.8, 0.5)),
        ("art:0.5", ("art:0.5", 1.0, 1.0)),
        ("art:0.5:0.7", ("art:0.5", 0.7, 0.7)),
        ("私の lora: 1.safetensors:-1", ("私の lora: 1.safetensors", -1.0, -1.0)),
        ("name:0.5", ("name", 0.5, 0.5)),
        ("C:\\x.safetensors:0.5", ("C:\\x.safetensors", 0.5, 0.5)),
        ("a\0b:2", ("a\0b", 2.0, 2.0)),
    ],
)
def test_a_file_is_found_whatever_its_name(
    here: Path, typed: str, read: tuple[str, float, float]
) -> None:
    for name in ("a.safetensors", "art:0.5", "私の lora: 1.safetensors"):
        (here / name).touch()
    assert read_loras([typed]) == (Lora(*read),)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("abc", "--lora: ':abc' behind 'a.safetensors' is no strength; write one number"),
        ("", "--lora: ':' behind 'a.safetensors' is no strength"),
        ("0,5", "--lora: ':0,5' behind 'a.safetensors' is no strength"),
        ("0.8:0.5:0.3", "--lora: ':0.8:0.5:0.3' behind 'a.safetensors' is no strength"),
        ("nan", "a strength of --lora must be a finite number from -1000 to 1000, not nan"),
        ("1e30", "a strength of --lora must be a finite number from -1000 to 1000, not 1e+30"),
    ],
)
def test_what_is_no_strength_is_told(here: Path, typed: str, said: str) -> None:
    (here / "a.safetensors").touch()
    with pytest.raises(ArgumentError) as caught:
        read_loras([f"a.safetensors:{typed}"])
    assert said in str(caught.value)
