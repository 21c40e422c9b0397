"""Writes goldens.json by ggml's own Python package: `pip install --no-deps gguf==0.19.0`.

    PYTHONPATH=src:FOLDER_OF_GGUF python -m tests.quantized.make_goldens

`packed` and `unpacked` are SHA-256 of what it makes of `inputs`; `file` is one that it wrote.
"""

import base64
import hashlib
import importlib.metadata
import json
import tempfile
from pathlib import Path
from typing import Any

import gguf  # pyright: ignore
import numpy as np

from kakusan.quantized.formats import BLOCKS
from kakusan.quantized.packing import PACKING
from tests.quantized import inputs

GOLDENS = Path(__file__).parent / "goldens.json"


def digest(array: Any) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def write_file(path: Path) -> None:
    writer = gguf.GGUFWriter(path, "sd1")
    writer.add_uint8("a.u8", 200)
    writer.add_int8("a.i8", -100)
    writer.add_uint16("a.u16", 60000)
    writer.add_int16("a.i16", -30000)
    writer.add_uint32("a.u32", 4000000000)
    writer.add_int32("a.i32", -2000000000)
    writer.add_float32("a.f32", 0.5)
    writer.add_uint64("a.u64", 2**63 + 1)
    writer.add_int64("a.i64", -(2**62))
    writer.add_float64("a.f64", 0.1)
    writer.add_bool("a.bool", True)
    writer.add_string("a.text", "拡散")
    writer.add_array("a.texts", ["x", "", "yz"])
    writer.add_array("a.numbers", [1, -2, 3])
    x = inputs.values()[6:9]
    writer.add_tensor("plain.f32", x)
    writer.add_tensor("plain.f16", x.astype(np.float16))
    for name in ("Q8_0", "Q4_0"):
        kind = gguf.GGMLQuantizationType[name]
        writer.add_tensor(name, gguf.quantize(x, kind), raw_dtype=kind)
    writer.add_tensor("vector", x[0, :5])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, np.errstate(all="ignore"):
        write_file(Path(folder) / "x.gguf")
        goldens = {
            "gguf": importlib.metadata.version("gguf"),
            "packed": {
                each.name: digest(
                    gguf.quantize(inputs.values(), gguf.GGMLQuantizationType(each.number))
                )
                for each in PACKING
            },
            "unpacked": {
                each.name: digest(
                    gguf.dequantize(inputs.blocks(each), gguf.GGMLQuantizationType(each.number))
                )
                for each in BLOCKS
            },
            "file": base64.b64encode((Path(folder) / "x.gguf").read_bytes()).decode(),
        }
    GOLDENS.write_text(json.dumps(goldens, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
