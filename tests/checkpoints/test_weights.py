"""Weights are mapped or converted, never trusted, and written so that the reference reads them."""

import errno
import json
import os
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kakusan.checkpoints.weights import (
    check_finite,
    find_weights,
    load_into,
    read_weights,
    save_weights,
)
from kakusan.errors import CheckpointError, OutputError

STATE = {
    "weight": torch.arange(12, dtype=torch.float32).reshape(3, 4) / 7,
    "bias": torch.tensor([1.0, -2.0, 3.5]),
}


def same(left: dict[str, Tensor], right: dict[str, Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


def meta_linear() -> nn.Linear:
    with torch.device("meta"):
        return nn.Linear(4, 3)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("dtype", [None, torch.float32, torch.float16, torch.bfloat16])
def test_values_in_the_wanted_dtype(tmp_path: Path, suffix: str, dtype: torch.dtype | None) -> None:
    state = STATE | {"ids": torch.arange(5)}
    path = tmp_path / f"weights.{suffix}"
    if suffix == "bin":
        torch.save(state, path)
    else:
        save_file(state, path)
    expected = {k: v.to(dtype or v.dtype) if v.is_floating_point() else v for k, v in state.items()}
    read = read_weights([path], dtype=dtype)
    assert same(read, expected)
    assert read["ids"].dtype == torch.int64


def test_a_bin_file_of_old_torch_and_one_with_a_state_dict(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    torch.save({"state_dict": STATE, "step": 3}, tmp_path / "training.bin")
    assert same(read_weights([tmp_path / "old.bin"], dtype=None), STATE)
    assert same(read_weights([tmp_path / "training.bin"], dtype=None), STATE)


def test_mapped_weights_can_be_changed_without_changing_the_file(tmp_path: Path) -> None:
    save_weights(STATE, tmp_path, "model")
    read = read_weights(find_weights(tmp_path, "model"), dtype=None)
    for tensor in read.values():
        tensor.zero_()
    assert same(load_file(tmp_path / "model.safetensors"), STATE)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_are_written_and_read(tmp_path: Path, variant: str | None) -> None:
    state = {f"t{i}": torch.full((100,), float(i)) for i in range(10)}
    save_weights(state, tmp_path, "diffusion_pytorch_model", variant=variant, max_shard_size=1200)
    paths = find_weights(tmp_path, "diffusion_pytorch_model", variant=variant)
    assert len(paths) == 4
    assert same(read_weights(paths, dtype=None), state)


def test_weights_saved_earlier_in_another_form_are_not_read(tmp_path: Path) -> None:
    other = {name: tensor + 1 for name, tensor in STATE.items()}
    for state, size in ((STATE, 10**6), (other, 20), (STATE, 10**6)):
        save_weights(state, tmp_path, "model", max_shard_size=size)
        assert same(read_weights(find_weights(tmp_path, "model"), dtype=None), state)


def test_the_reference_reads_what_is_written(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    reference = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    for variant in (None, "fp16"):
        folder = tmp_path / str(variant)
        reference.save_config(folder)
        state = reference.state_dict()
        save_weights(
            state, folder, "diffusion_pytorch_model", variant=variant, max_shard_size=10**5
        )
        loaded = AutoencoderKL.from_pretrained(folder, variant=variant).state_dict()
        assert same(loaded, state)
        assert len(list(folder.glob("*.safetensors"))) > 1
        ours = find_weights(folder, "diffusion_pytorch_model", variant=variant)
        assert same(read_weights(ours, dtype=None), state)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_what_the_reference_writes_is_read(tmp_path: Path, variant: str | None) -> None:
    from diffusers import AutoencoderKL

    reference = AutoencoderKL(block_out_channels=(32,), norm_num_groups=8)
    for name, size, safe in (
        ("whole", "1GB", True),
        ("shards", "100KB", True),
        ("bin", "1GB", False),
    ):
        folder = tmp_path / name
        reference.save_pretrained(
            folder, variant=variant, max_shard_size=size, safe_serialization=safe
        )
        paths = find_weights(folder, "diffusion_pytorch_model", variant=variant)
        assert (len(paths) > 1) == (name == "shards")
        assert same(read_weights(paths, dtype=None), reference.state_dict())


def test_shared_and_non_contiguous_tensors_are_written(tmp_path: Path) -> None:
    whole = torch.arange(12.0).reshape(3, 4)
    state = {"whole": whole, "view": whole.T, "same": whole}
    save_weights(state, tmp_path, "model")
    assert same(load_file(tmp_path / "model.safetensors"), state)


def test_a_disk_that_fills_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        save_weights(STATE, tmp_path / "part", "model")
    assert list((tmp_path / "part").iterdir()) == []


def test_no_weights_and_bad_indexes(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no model.safetensors \(it has: no files\)"):
        find_weights(tmp_path, "model")
    with pytest.raises(CheckpointError, match="has no weights"):
        find_weights(tmp_path / "absent", "model")
    index = tmp_path / "model.safetensors.index.json"
    for weight_map, says in (
        ({"a": "../outside.safetensors"}, "must be in this folder"),
        ({"a": "/etc/passwd"}, "must be in this folder"),
        ({"a": ".."}, "lacks the shard"),
        ({"a": 3}, "must be in this folder"),
        ({"a": "model-00001-of-00001.safetensors"}, "lacks the shard .model-00001-of-00001"),
        ({}, "has no weight_map"),
        (None, "has no weight_map"),
    ):
        index.write_text(json.dumps({"weight_map": weight_map}))
        with pytest.raises(CheckpointError, match=says):
            find_weights(tmp_path, "model")


def header(entries: dict[str, object], data: bytes = b"") -> bytes:
    text = json.dumps(entries).encode()
    return struct.pack("<Q", len(text)) + text + data


BAD_SAFETENSORS = {
    "empty": b"",
    "header length of 2**63": struct.pack("<Q", 2**63) + b"{}",
    "header beyond the file": struct.pack("<Q", 10**6) + b"{}",
    "header not JSON": struct.pack("<Q", 4) + b"abcd",
    "offsets beyond the file": header(
        {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, b"1234"
    ),
    "offsets overlap": header(
        {
            "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
            "b": {"dtype": "F32", "shape": [1], "data_offsets": [2, 6]},
        },
        b"123456",
    ),
    "shape larger than its bytes": header(
        {"a": {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 4]}}, b"1234"
    ),
    "unknown dtype": header({"a": {"dtype": "X9", "shape": [1], "data_offsets": [0, 4]}}, b"1234"),
}


@pytest.mark.parametrize("name", BAD_SAFETENSORS)
@pytest.mark.parametrize("dtype", [None, torch.float16])
def test_a_broken_safetensors_file(tmp_path: Path, name: str, dtype: torch.dtype | None) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(BAD_SAFETENSORS[name])
    with pytest.raises(CheckpointError) as caught:
        read_weights([path], dtype=dtype)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_truncated_file(tmp_path: Path) -> None:
    for suffix in ("safetensors", "bin"):
        path = tmp_path / f"whole.{suffix}"
        torch.save(STATE, path) if suffix == "bin" else save_file(STATE, path)
        data = path.read_bytes()
        for size in (len(data) - 1, len(data) // 2, 20, 3):
            path.write_bytes(data[:size])
            with pytest.raises(CheckpointError, match="whole"):
                read_weights([path], dtype=None)


class Evil:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    made, path = tmp_path / "made", tmp_path / "pytorch_model.bin"
    torch.save({"weight": STATE["weight"], "evil": Evil(made)}, path)
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin is not a file of weights alone"):
        read_weights([path], dtype=None)
    path.write_bytes(pickle.dumps(Evil(made), protocol=2))
    with pytest.raises(CheckpointError, match=r"pytorch_model.bin"):
        read_weights([path], dtype=None)
    assert not made.exists()


def test_a_file_under_the_wrong_name(tmp_path: Path) -> None:
    pickled, tensors = tmp_path / "a.safetensors", tmp_path / "b.bin"
    for new in (True, False):
        torch.save(STATE, pickled, _use_new_zipfile_serialization=new)
        with pytest.raises(CheckpointError, match="is a pickle, not a safetensors file"):
            read_weights([pickled], dtype=None)
    save_file(STATE, tensors)
    with pytest.raises(CheckpointError, match="is a safetensors file"):
        read_weights([tensors], dtype=None)


def test_a_bin_file_that_is_not_plain_tensors(tmp_path: Path) -> None:
    path = tmp_path / "w.bin"
    endless = torch.zeros(1).expand(10**12)
    for value, says in (
        ([1, 2], "holds list"),
        ({"a": 1}, "not a tensor"),
        ({3: torch.zeros(1)}, "holds 3"),
        ({"a": endless}, "not a plain array"),
        ({"a": torch.eye(3).to_sparse()}, "not a plain array"),
    ):
        torch.save(value, path)
        with pytest.raises(CheckpointError, match=says):
            read_weights([path], dtype=torch.float16)


def test_a_zip_bomb_is_not_read(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(10**6)}, tmp_path / "plain.bin")
    with (
        zipfile.ZipFile(tmp_path / "plain.bin") as plain,
        zipfile.ZipFile(tmp_path / "bomb.bin", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in plain.namelist():
            bomb.writestr(entry, plain.read(entry))
    with pytest.raises(CheckpointError, match="is compressed"):
        read_weights([tmp_path / "bomb.bin"], dtype=None)


def test_a_tensor_in_two_shards(tmp_path: Path) -> None:
    for name in ("a", "b"):
        save_file(STATE, tmp_path / f"{name}.safetensors")
    with pytest.raises(CheckpointError, match="repeats the tensor"):
        read_weights([tmp_path / "a.safetensors", tmp_path / "b.safetensors"], dtype=None)


def test_load_into_takes_the_tensors_themselves() -> None:
    module = meta_linear()
    load_into(module, STATE, where="unet")
    assert module.weight.data_ptr() == STATE["weight"].data_ptr()
    assert torch.equal(module(torch.ones(4)), STATE["weight"].sum(1) + STATE["bias"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bias": None}, "unet: the weights do not fit the config: missing bias."),
        ({"other": STATE["bias"]}, "left over other."),
        ({"bias": None, "x": STATE["bias"]}, "missing bias; left over x."),
        ({"bias": torch.zeros(4)}, "bias has the shape (4,); the config asks for (3,)."),
    ],
)
def test_weights_that_do_not_fit(change: dict[str, Tensor | None], says: str) -> None:
    tensors = {name: tensor for name, tensor in (STATE | change).items() if tensor is not None}
    with pytest.raises(CheckpointError) as caught:
        load_into(meta_linear(), tensors, where="unet")
    assert says in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_is_named(value: float, dtype: torch.dtype) -> None:
    module = meta_linear()
    load_into(module, STATE | {"bias": torch.tensor([0, value, 0]).to(dtype)}, where="unet")
    with pytest.raises(CheckpointError, match="unet: bias has values that are NaN"):
        check_finite(module, where="unet")


def test_many_names_are_counted_and_some_may_be_left_over() -> None:
    extra = {f"extra.{i}": torch.zeros(1) for i in range(10)}
    with pytest.raises(CheckpointError, match=r"left over extra\.0, extra\.1, extra\.2 and 7 more"):
        load_into(meta_linear(), STATE | extra, where="unet")
    load_into(
        meta_linear(), STATE | extra, where="unet", ignorable=lambda name: name.startswith("extra")
    )


PEAK = """
import sys, torch
from pathlib import Path
from kakusan.checkpoints.weights import load_into, read_weights
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
dtype = getattr(torch, sys.argv[2])
torch.aminmax(torch.randn(2**10).half())
before = peak()
tensors = read_weights([Path(sys.argv[1])], dtype=dtype)
module = torch.nn.Module()
for name, tensor in tensors.items():
    module.register_parameter(name, torch.nn.Parameter(tensor.to("meta")))
load_into(module, tensors, where="test")
print((peak() - before) / sum(tensor.nbytes for tensor in tensors.values()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_peak_memory_is_the_weights_as_kept(
    tmp_path_factory: pytest.TempPathFactory, dtype: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "large.safetensors"
    if not path.exists():
        generator = torch.Generator().manual_seed(0)
        block = torch.randn(2**21, generator=generator).half()
        save_file({f"t{i}": block + i for i in range(64)}, path)  # 256 MiB
    done = subprocess.run(
        [sys.executable, "-c", PEAK, str(path), dtype], check=True, capture_output=True, text=True
    )
    assert float(done.stdout) < 1.2
