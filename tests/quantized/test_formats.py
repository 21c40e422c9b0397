"""Blocks are ggml's, bit by bit: as its own Python package packs and unpacks them."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from kakusan.errors import CheckpointError
from kakusan.quantized.formats import BLOCKS, BY_NAME, BY_NUMBER, PLAIN, UNREAD, Format
from kakusan.quantized.packing import PACKING, pack
from kakusan.quantized.unpacking import UNPACKING, unpack
from tests.quantized import inputs

GOLDENS = json.loads((Path(__file__).parent / "goldens.json").read_text(encoding="utf-8"))


def digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("kind", PACKING, ids=lambda kind: kind.name)
def test_packed_as_ggml_packs(kind: Format) -> None:
    assert digest(pack(torch.from_numpy(inputs.values()), kind)) == GOLDENS["packed"][kind.name]


@pytest.mark.parametrize("kind", BLOCKS, ids=lambda kind: kind.name)
def test_unpacked_as_ggml_unpacks(kind: Format) -> None:
    blocks = torch.from_numpy(inputs.blocks(kind))
    assert digest(unpack(blocks, kind)) == GOLDENS["unpacked"][kind.name]


@pytest.mark.parametrize("kind", PACKING, ids=lambda kind: kind.name)
def test_many_blocks_are_worked_on_in_parts(kind: Format) -> None:
    once = torch.from_numpy(inputs.values())
    many = once.repeat(70, 1)  # more than one part
    assert many.numel() > 2**21
    packed = pack(many, kind)
    assert torch.equal(packed, pack(once, kind).repeat(70))
    assert torch.equal(unpack(packed, kind), unpack(pack(once, kind), kind).repeat(70))


@pytest.mark.parametrize("kind", PACKING, ids=lambda kind: kind.name)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_what_is_unpacked_in_16_bits_is_float32_rounded(kind: Format, dtype: torch.dtype) -> None:
    blocks = torch.from_numpy(inputs.blocks(kind))
    assert torch.equal(unpack(blocks, kind, dtype), unpack(blocks, kind).to(dtype))


@pytest.mark.parametrize(
    ("kind", "steps"), [("q8_0", 127), ("q4_0", 8), ("q4_1", 15), ("q5_0", 16), ("q5_1", 31)]
)
def test_no_value_moves_further_than_a_step(kind: str, steps: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(100, 32)
    difference = unpack(pack(x, BY_NAME[kind]), BY_NAME[kind]).view_as(x) - x
    span = x.abs().amax(1) if steps in (127, 8, 16) else x.amax(1) - x.amin(1)
    assert (difference.abs().amax(1) <= 1.02 * span / steps).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_what_no_scale_reaches_is_refused(value: float) -> None:
    x = torch.ones(32)
    x[7] = value
    with pytest.raises(CheckpointError, match="NaN, infinite or too large"):
        pack(x, BY_NAME["q8_0"])


def test_the_tables_agree() -> None:
    assert set(UNPACKING) == set(BLOCKS)
    assert len(BY_NUMBER) == len(BY_NAME) == len(PLAIN) + len(BLOCKS)
    assert not BY_NUMBER.keys() & UNREAD.keys()
    assert all(each.dtype is not None and each.bytes == each.dtype.itemsize for each in PLAIN)
