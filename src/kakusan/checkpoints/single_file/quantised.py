"""Weights in eight bits with a scale beside them, as ComfyUI writes them."""

import json
import re
from collections.abc import Mapping

from kakusan.checkpoints.single_file.entries import FLOAT8, Entry
from kakusan.errors import CheckpointError, shown

# X.weight -> what else of X such files have
_SCALE = re.compile(
    r"(?:.+\.)?(?:scaled_fp8|scale_weight|scale_input|weight_scale(?:_2)?|input_scale|comfy_quant)"
)
_OF_SCALES = frozenset({"F64", "F32", "F16", "BF16"})
_FORMATS = frozenset({"float8_e4m3fn", "float8_e5m2"})


def is_scale(name: str) -> bool:
    """Whether a tensor belongs to how others are stored, and is no weight."""
    return _SCALE.fullmatch(name) is not None


def scale_of(name: str, entries: Mapping[str, Entry], where: str) -> str | None:
    """The tensor that a weight in eight bits has to be multiplied with; None where there is none.

    Args:
        where: names the file in messages.

    Raises:
        CheckpointError: Its scale is not one floating point number, or one for each row.
    """
    if entries[name].dtype not in FLOAT8 or not name.endswith(".weight"):
        return None
    head = name.removesuffix("weight")
    for scale in (f"{head}scale_weight", f"{head}weight_scale"):
        if scale in entries:
            kind, numel, rows = entries[scale].dtype, entries[scale].numel, entries[name].shape[0]
            if numel not in (1, rows) or kind not in _OF_SCALES:
                raise CheckpointError(
                    f"{where}: {shown(scale)} has {numel} numbers of {shown(kind)}; kakusan reads "
                    "one, or one for each row, in float32, float16 or bfloat16."
                )
            return scale
    return None


def check_formats(entries: Mapping[str, Entry], metadata: Mapping[str, str], where: str) -> None:
    """Refuse forms of storing that are not read.

    Raises:
        CheckpointError: Weights are stored in blocks, in four bits, or as integers.
    """
    found = _told(metadata)
    if any(name.endswith(".weight_scale_2") for name in entries):
        found.add("nvfp4")
    for name, entry in entries.items():
        if name.endswith(".weight") and len(entry.shape) > 1 and entry.dtype in ("I8", "U8", "F4"):
            found.add(entry.dtype)
    if unknown := sorted(found - _FORMATS):
        raise CheckpointError(
            f"{where} is stored as {_called(unknown[0])}, which kakusan does not read; it reads "
            "float32, float16, bfloat16 and float8: fetch it in one of these, or as a GGUF file."
        )


def _called(form: str) -> str:
    """A form of storing as people name it."""
    words = {"I8": "int8", "U8": "uint8, as 4-bit forms are", "F4": "float4"}
    return words.get(form) or shown(form)


def _told(metadata: Mapping[str, str]) -> set[str]:
    """The forms that `_quantization_metadata` names, layer by layer."""
    try:
        value = json.loads(metadata.get("_quantization_metadata", "{}"))
    except (ValueError, RecursionError):
        return set()
    layers = value.get("layers") if isinstance(value, dict) else None
    told = layers.values() if isinstance(layers, dict) else ()
    return {str(each["format"]) for each in told if isinstance(each, dict) and "format" in each}
