"""GGUF files: read and written as ggml's own package does, never trusted."""

import base64
import json
import re
import struct
from pathlib import Path

import pytest
import torch
from torch import Tensor

from kakusan.checkpoints.gguf import GgufFile, mapped, read_gguf, read_header, view
from kakusan.checkpoints.gguf_fields import Field, Kind, field_bytes, text_bytes, text_field
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.errors import CheckpointError, OutputError, RequestError
from kakusan.quantized.formats import BF16, BY_NAME, F16, PLAIN, Q4_0, Q8_0
from kakusan.quantized.packing import PACKING, pack
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.quantized.unpacking import unpack
from tests.quantized import inputs

GOLDENS = json.loads(
    (Path(__file__).parents[1] / "quantized" / "goldens.json").read_text(encoding="utf-8")
)
ROWS = torch.from_numpy(inputs.values()[6:9])


@pytest.fixture
def golden(tmp_path: Path) -> Path:
    path = tmp_path / "golden.gguf"
    path.write_bytes(base64.b64decode(GOLDENS["file"]))
    return path


def plain(tensor: Tensor) -> Tensor:
    return tensor.dequantize() if isinstance(tensor, QuantizedTensor) else tensor


def plain_size(tensor: Tensor) -> bool:
    return plain(tensor).shape == tensor.shape


def header(
    *infos: bytes, version: int = 3, fields: bytes = b"", tensors: int | None = None, keys: int = 0
) -> bytes:
    count = len(infos) if tensors is None else tensors
    return b"GGUF" + struct.pack("<IQQ", version, count, keys) + fields + b"".join(infos)


def info(
    name: str = "x", sides: tuple[int, ...] = (32,), kind: int = 0, offset: int = 0, rank: int = -1
) -> bytes:
    rank = len(sides) if rank < 0 else rank
    shape = struct.pack(f"<I{len(sides)}Q", rank, *sides)
    return text_bytes(name) + shape + struct.pack("<IQ", kind, offset)


def padded(data: bytes, more: int = 128) -> bytes:
    return data + bytes(-len(data) % 32) + bytes(more)


def test_a_file_of_ggml_s_own_package(golden: Path) -> None:
    file = read_header(golden)
    values = {name: field.value for name, field in file.fields.items()}
    assert values == {
        "general.architecture": "sd1",
        "a.u8": 200,
        "a.i8": -100,
        "a.u16": 60000,
        "a.i16": -30000,
        "a.u32": 4000000000,
        "a.i32": -2000000000,
        "a.f32": 0.5,
        "a.u64": 2**63 + 1,
        "a.i64": -(2**62),
        "a.f64": 0.1,
        "a.bool": True,
        "a.text": "拡散",
        "a.texts": ("x", "", "yz"),
        "a.numbers": (1, -2, 3),
    }
    read = dict(read_gguf(golden, None))
    assert torch.equal(read["plain.f32"], ROWS)
    assert torch.equal(read["plain.f16"], ROWS.half())
    assert torch.equal(read["vector"], ROWS[0, :5])
    for name in ("Q8_0", "Q4_0"):
        assert isinstance(read[name], QuantizedTensor)
        assert read[name].dtype == torch.float16
        expected = unpack(pack(ROWS, BY_NAME[name.lower()]), BY_NAME[name.lower()])
        assert torch.equal(plain(read[name].float()), expected.view(3, 64))


def test_what_is_written_anew_is_the_same_file(golden: Path, tmp_path: Path) -> None:
    file = read_header(golden)
    write_gguf(tmp_path / "new.gguf", dict(read_gguf(golden, None)), {}, file.fields)
    assert (tmp_path / "new.gguf").read_bytes() == golden.read_bytes()


def everything() -> dict[str, Tensor]:
    made: dict[str, Tensor] = {f"block.{each.name}": ROWS.view(2, 3, 32) for each in PACKING}
    for each in PLAIN:
        assert each.dtype
        made[f"plain.{each.name}"] = (ROWS * 3).clamp(-100, 100).to(each.dtype)
    made["no dimension"] = torch.tensor(2.5)
    made["v_pred"] = torch.empty(0)
    made["x" * 200] = torch.ones(3)  # longer than ggml itself allows
    return made


def test_every_format_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    nested = Field(Kind.ARRAY, (Field(Kind.ARRAY, (1, 2), Kind.UINT8),), Kind.ARRAY)
    fields = {"a": text_field("b"), "nested": nested, "t": Field(Kind.BOOL, False)}
    formats = {f"block.{each.name}": each for each in PACKING}
    write_gguf(path, everything(), formats, fields)
    assert read_header(path).fields == fields
    read = dict(read_gguf(path, None))
    assert list(read) == list(everything())
    for name, tensor in everything().items():
        if name in formats:
            kind = formats[name]
            assert isinstance(read[name], QuantizedTensor)
            expected = unpack(pack(tensor, kind), kind, torch.float16).view(tensor.shape)
        else:
            expected = tensor
        assert read[name].dtype == expected.dtype
        assert torch.equal(plain(read[name]), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_plain_numbers_become_the_wanted_dtype(
    tmp_path: Path, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kakusan.checkpoints.gguf.CONVERTED_PER_MAPPING", 1)
    path = tmp_path / "x.gguf"
    write_gguf(path, everything(), {"block.Q8_0": Q8_0}, {})
    read = dict(read_gguf(path, dtype))
    for name, tensor in everything().items():
        assert read[name].dtype == (dtype if tensor.is_floating_point() else tensor.dtype)
        if name != "block.Q8_0":
            assert torch.equal(plain(read[name]), tensor.to(read[name].dtype))
        kept = name in ("plain.F16", "plain.BF16") and tensor.dtype != dtype
        assert isinstance(read[name], QuantizedTensor) == (kept or name == "block.Q8_0")


def test_what_is_mapped_is_not_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    write_gguf(path, {"x": torch.ones(8)}, {}, {})
    before = path.read_bytes()
    read = dict(read_gguf(path, None))
    read["x"] += 1
    assert path.read_bytes() == before


def test_other_formats_of_what_is_in_blocks(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", {"x": ROWS}, {"x": Q8_0}, {})
    read = dict(read_gguf(tmp_path / "a.gguf", None))
    write_gguf(tmp_path / "b.gguf", read, {"x": Q4_0}, {})
    again = dict(read_gguf(tmp_path / "b.gguf", torch.float32))["x"]
    assert torch.equal(plain(again).flatten(), unpack(pack(plain(read["x"].float()), Q4_0), Q4_0))
    write_gguf(tmp_path / "c.gguf", read, {"x": BF16}, {})
    assert dict(read_gguf(tmp_path / "c.gguf", None))["x"].dtype == torch.bfloat16


def test_comfyui_s_shapes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    weight = torch.randn(8, 32, 3, 3)
    shape = Field(Kind.ARRAY, (8, 32, 3, 3), Kind.INT32)
    fields = {"general.architecture": text_field("sd1"), "comfy.gguf.orig_shape.conv": shape}
    path = tmp_path / "x.gguf"
    write_gguf(path, {"conv": weight.view(-1, 256)}, {"conv": Q8_0}, fields)
    read = dict(read_gguf(path, torch.float32))["conv"]
    assert isinstance(read, QuantizedTensor)
    assert torch.equal(plain(read).flatten(), unpack(pack(weight, Q8_0), Q8_0))
    assert read.shape == weight.shape


@pytest.mark.parametrize("value", [(8, 32, 3, 2), (8, 32, -3, -3), (), "8", (1,) * 9, (8, 0)])
def test_a_shape_of_other_values_is_refused(tmp_path: Path, value: object) -> None:
    kind = Kind.STRING if isinstance(value, str) else Kind.ARRAY
    field = Field(kind, value, Kind.INT32)  # pyright: ignore
    path = tmp_path / "x.gguf"
    write_gguf(path, {"c": torch.ones(9, 256)}, {}, {"comfy.gguf.orig_shape.c": field})
    with pytest.raises(CheckpointError, match=r"x\.gguf: 'comfy.gguf.orig_shape.c' is"):
        dict(read_gguf(path, None))


def test_version_2_and_another_alignment(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    fields = text_bytes("general.alignment") + field_bytes(Field(Kind.UINT32, 8))
    head = header(info(sides=(2,), offset=8), version=2, fields=fields, keys=1)
    data = head + bytes(-len(head) % 8) + bytes(8) + struct.pack("<2f", 1.5, -2)
    path.write_bytes(data)
    assert dict(read_gguf(path, None))["x"].tolist() == [1.5, -2]
    unaligned = text_bytes("general.alignment") + field_bytes(Field(Kind.UINT32, 1))
    head = header(info(sides=(2,), offset=1), fields=unaligned, keys=1)
    path.write_bytes(head + bytes(1) + struct.pack("<2f", 1.5, -2))
    assert dict(read_gguf(path, None))["x"].tolist() == [1.5, -2]


ALIGNED_3 = text_bytes("general.alignment") + field_bytes(Field(Kind.UINT32, 3))
TWICE = 2 * (text_bytes("k") + field_bytes(Field(Kind.BOOL, True)))
HUGE = text_bytes("k") + struct.pack("<IIQ", Kind.ARRAY, Kind.FLOAT64, 2**61)
DEEP = text_bytes("k") + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 6 + bytes(16)
BROKEN = {
    "empty": (b"", "is too short"),
    "text": (b"once upon a time there was", "begins with b'once'"),
    "only magic": (b"GGUF", "is too short"),
    "version 1": (padded(header(version=1)), "is a GGUF file of version 1; 2 and 3 are read"),
    "version 4": (padded(header(version=4)), "is a GGUF file of version 4"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 1, 0) + bytes(64), "big-endian"),
    "many tensors": (header(tensors=2**63), "claims 9223372036854775808 tensors"),
    "many keys": (header(keys=2**64 - 1), "claims 18446744073709551615 values"),
    "long name": (
        padded(header(struct.pack("<Q", 2**40), tensors=1)),
        "claims 1099511627776 bytes of a tensor's name",
    ),
    "no utf-8": (
        padded(header(struct.pack("<Q", 1) + b"\xff", tensors=1)),
        "a tensor's name is not UTF-8",
    ),
    "cut in its header": (header(info(), info()[:-9]), "ends within its header"),
    "five dimensions": (padded(header(info(sides=(1,) * 5))), "5 dimensions"),
    "absurd rank": (padded(header(info(rank=2**31))), "2147483648 dimensions"),
    "absurd shape": (padded(header(info(sides=(2**63, 2**63)))), "has the shape"),
    "absurd zero": (padded(header(info(sides=(2**63, 0, 2**63)))), "has the shape"),
    "unknown format": (padded(header(info(kind=99))), "type 99, which does not exist"),
    "a format not read": (padded(header(info(kind=23))), "stored as IQ4_XS; read are F32"),
    "blocks across rows": (
        padded(header(info(sides=(16, 2), kind=8))),
        "Q8_0, in blocks of 32, which do not fill its rows of 16",
    ),
    "no blocks at all": (padded(header(info(sides=(), kind=8))), "rows of 1"),
    "beyond its end": (padded(header(info()), 100), "ends 28 bytes beyond its end"),
    "far beyond": (padded(header(info(offset=2**63))), "beyond its end"),
    "overlap": (
        padded(header(info("a"), info("b", offset=32))),
        "the tensors 'a' and 'b' overlap",
    ),
    "the same place": (padded(header(info("a"), info("b"))), "overlap"),
    "not aligned": (padded(header(info(offset=4))), "not begin at a multiple of 32"),
    "a tensor twice": (padded(header(info(), info(offset=128)), 256), "'x' is there twice"),
    "a key twice": (padded(header(fields=TWICE, keys=2)), "the key 'k' is there twice"),
    "alignment 3": (padded(header(fields=ALIGNED_3, keys=1)), "general.alignment is 3"),
    "an absurd array": (padded(header(fields=HUGE, keys=1)), "items of 'k'"),
    "arrays in arrays": (padded(header(fields=DEEP, keys=1)), "nested too deep"),
    "a type that is none": (
        padded(header(fields=text_bytes("k") + struct.pack("<I", 13), keys=1)),
        "unknown type 13",
    ),
}


@pytest.mark.parametrize(("data", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_is_named_in_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        read_header(path)
    said = str(caught.value)
    assert re.search(r"broken\.gguf is (not a whole GGUF file: |a GGUF file of )", said)
    assert message in said
    assert "\n" not in said


def test_every_cut_of_a_file_is_told(golden: Path) -> None:
    whole = golden.read_bytes()
    for length in range(0, len(whole) - 12, 7):  # the last tensor's padding may be missing
        golden.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match="not a whole GGUF file"):
            read_header(golden)


def test_a_changed_byte_never_does_more_than_refuse(golden: Path) -> None:
    whole = golden.read_bytes()
    for place in range(900):
        for value in (0, 0x7F, 0xFF):
            refused, read = "", dict[str, Tensor]()
            golden.write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                read = dict(read_gguf(golden, torch.float32))
            except CheckpointError as error:
                refused = str(error)
            assert (not refused and all(map(plain_size, read.values()))) or "golden.gguf" in refused


def test_no_file_a_folder_and_a_shorter_one(tmp_path: Path) -> None:
    for path in (tmp_path / "none.gguf", tmp_path):
        with pytest.raises(CheckpointError, match=path.name):
            read_header(path)
    path = tmp_path / "x.gguf"
    write_gguf(path, {"x": torch.ones(64)}, {}, {})
    file = read_header(path)
    path.write_bytes(path.read_bytes()[:-64])
    with pytest.raises(CheckpointError, match=r"x\.gguf has become shorter"):
        mapped(file)


@pytest.mark.parametrize(
    ("architecture", "said"),
    [
        ("llama", "a language model (general.architecture is"),
        ("flux", "another kind of image model"),
        ("t5encoder", "a text encoder in llama.cpp's names"),
        ("stablelm\n" * 50, "a language model"),
    ],
)
def test_another_model_s_file_is_called_what_it_is(
    tmp_path: Path, architecture: str, said: str
) -> None:
    tokens = Field(Kind.ARRAY, tuple("ab" * 40000), Kind.STRING)
    fields = {"general.architecture": text_field(architecture), "tokenizer.ggml.tokens": tokens}
    write_gguf(tmp_path / "llm.gguf", {"token_embd.weight": torch.ones(4, 4)}, {}, fields)
    with pytest.raises(CheckpointError) as caught:
        dict(read_gguf(tmp_path / "llm.gguf", None))
    assert f"llm.gguf is {said}" in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_file_without_tensors(tmp_path: Path) -> None:
    write_gguf(tmp_path / "x.gguf", {}, {}, {})
    assert dict(read_gguf(tmp_path / "x.gguf", None)) == {}


def test_what_cannot_be_written_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    with pytest.raises(CheckpointError, match="'x' cannot be Q8_0: it has values that are NaN"):
        write_gguf(path, {"x": torch.full((32,), torch.nan)}, {"x": Q8_0}, {})
    with pytest.raises(RequestError, match="'x' of shape"):
        write_gguf(path, {"x": torch.ones(32, 3)}, {"x": Q8_0}, {})
    with pytest.raises(RequestError, match="Q6_K is read but not written"):
        write_gguf(path, {"x": torch.ones(256)}, {"x": BY_NAME["q6_k"]}, {})
    with pytest.raises(RequestError, match=r"no format for torch\.complex64"):
        write_gguf(path, {"x": torch.ones(4, dtype=torch.complex64)}, {}, {})
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        write_gguf(tmp_path / "file" / "x.gguf", {"x": torch.ones(4)}, {"x": F16}, {})


def test_a_view_of_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.gguf"
    write_gguf(path, {"a": torch.ones(3), "b": ROWS}, {"b": Q8_0}, {})
    file: GgufFile = read_header(path)
    raw = mapped(file)
    assert view(raw, file.stored["a"], torch.float16).tolist() == [1, 1, 1]
    read = view(raw, file.stored["b"], torch.float16)
    assert isinstance(read, QuantizedTensor)
    assert torch.equal(read.blocks, pack(ROWS, Q8_0))
