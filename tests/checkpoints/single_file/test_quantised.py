"""Weights in eight bits, with and without scales beside them, as ComfyUI writes them."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kakusan import UNet2DConditionModel
from kakusan.errors import CheckpointError
from tests.oracle import single

PREFIX = single.UNET_PREFIX
SUFFIXES = [".safetensors", ".ckpt"]


def written(path: Path, tensors: Mapping[str, Tensor], **metadata: str) -> Path:
    if path.suffix == ".safetensors":
        return single.write(path, tensors, metadata)
    torch.save({"state_dict": dict(tensors)}, path)
    return path


def small(
    kind: torch.dtype, form: str | None, *, by_row: bool = False
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A UNet in eight bits, and what its weights are then."""
    tensors, wanted = dict[str, Tensor](), dict[str, Tensor]()
    for name, tensor in single.unet_tensors(single.v1().unet).items():
        if tensor.ndim < 2:
            tensors[name] = wanted[name] = tensor
            continue
        rows = tensor.flatten(1).abs().amax(1) if by_row else tensor.abs().max()
        scale = torch.ones(()) if form is None else rows / 100
        each = scale.reshape(-1, *[1] * (tensor.ndim - 1))
        tensors[name] = (tensor / each).to(kind)
        wanted[name] = tensors[name].float() * each
        if form is not None:
            tensors[f"{name.removesuffix('weight')}{form}"] = scale
            # what activations would be divided by, where they were in eight bits too
            other = "scale_input" if form == "scale_weight" else "input_scale"
            tensors[f"{name.removesuffix('weight')}{other}"] = torch.tensor(7.0)
    return tensors, wanted


def check_equal(path: Path, wanted: Mapping[str, Tensor], plain: Path) -> None:
    ours = UNet2DConditionModel.from_single_file(path).state_dict()
    theirs = UNet2DConditionModel.from_single_file(single.write(plain, wanted)).state_dict()
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert torch.equal(ours[name], tensor), name


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("form", [None, "scale_weight", "weight_scale"])
def test_weights_in_eight_bits_are_read(
    tmp_path: Path, kind: torch.dtype, form: str | None, suffix: str
) -> None:
    tensors, wanted = small(kind, form)
    if form == "scale_weight":
        tensors[f"{PREFIX}scaled_fp8"] = torch.zeros(2, dtype=kind)
    if form == "weight_scale":
        told = json.dumps({"format": "float8_e4m3fn"}).encode()
        name = f"{PREFIX}input_blocks.1.1.proj_in.comfy_quant"
        tensors[name] = torch.frombuffer(bytearray(told), dtype=torch.uint8)
    path = written(tmp_path / f"fp8{suffix}", tensors)
    check_equal(path, wanted, tmp_path / "plain.safetensors")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_scale_for_each_row(tmp_path: Path, suffix: str) -> None:
    tensors, wanted = small(torch.float8_e4m3fn, "weight_scale", by_row=True)
    path = written(tmp_path / f"rows{suffix}", tensors)
    check_equal(path, wanted, tmp_path / "plain.safetensors")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scales_of_another_form(tmp_path: Path, suffix: str) -> None:
    tensors, _ = small(torch.float8_e4m3fn, "weight_scale")
    name = f"{PREFIX}input_blocks.1.1.proj_in.weight_scale"
    # three of them, and powers of two as their exponents (mxfp8)
    for scale, kind in ((torch.ones(3), "F32"), (torch.ones(64).byte(), "U8")):
        path = written(tmp_path / f"odd{suffix}", tensors | {name: scale})
        with pytest.raises(CheckpointError) as caught:
            UNet2DConditionModel.from_single_file(path)
        assert f" has {len(scale)} numbers of '{kind}'; kakusan reads one" in str(caught.value)
        assert path.name in str(caught.value)


def test_half_precision_is_asked_for(tmp_path: Path) -> None:
    tensors, wanted = small(torch.float8_e4m3fn, "scale_weight")
    path = written(tmp_path / "fp8.ckpt", tensors)
    ours = UNet2DConditionModel.from_single_file(path, torch_dtype=torch.float16)
    assert torch.equal(ours.conv_in.weight, wanted[f"{PREFIX}input_blocks.0.0.weight"].half())


def told(how: str) -> str:
    return json.dumps({"format_version": "1.0", "layers": {"input_blocks.1": {"format": how}}})


def test_the_metadata_says_how_layers_are_stored(tmp_path: Path) -> None:
    tensors, wanted = small(torch.float8_e4m3fn, "weight_scale")
    path = written(tmp_path / "x.safetensors", tensors, _quantization_metadata=told("float8_e5m2"))
    check_equal(path, wanted, tmp_path / "plain.safetensors")
    for broken in ("{", "[]", '{"layers": []}', '{"layers": {"x": 3}}'):
        path = written(tmp_path / "x.safetensors", tensors, _quantization_metadata=broken)
        assert UNet2DConditionModel.from_single_file(path).config.in_channels == 4


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        UNet2DConditionModel.from_single_file(path)
    text = str(caught.value)
    assert path.name in text
    assert "\n" not in text
    assert "float32, float16, bfloat16 and float8" in text
    return text


@pytest.mark.parametrize("how", ["nvfp4", "int8_tensorwise", "mxfp8"])
def test_other_forms_that_the_metadata_tells(tmp_path: Path, how: str) -> None:
    tensors, _ = small(torch.float8_e4m3fn, "weight_scale")
    path = written(tmp_path / "x.safetensors", tensors, _quantization_metadata=told(how))
    assert f"stored as '{how}'" in message(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("dtype", "name"), [(torch.int8, "int8"), (torch.uint8, "uint8")])
def test_weights_that_are_whole_numbers(
    tmp_path: Path, dtype: torch.dtype, name: str, suffix: str
) -> None:
    tensors = single.unet_tensors(single.v1().unet)
    weight = f"{PREFIX}input_blocks.1.1.proj_in.weight"
    tensors[weight] = tensors[weight].to(dtype)
    assert f"stored as {name}" in message(written(tmp_path / f"x{suffix}", tensors))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_weights_in_four_bits(tmp_path: Path, suffix: str) -> None:
    tensors, _ = small(torch.float8_e4m3fn, "weight_scale")
    tensors[f"{PREFIX}input_blocks.1.1.proj_in.weight_scale_2"] = torch.ones(())
    assert "stored as 'nvfp4'" in message(written(tmp_path / f"x{suffix}", tensors))
