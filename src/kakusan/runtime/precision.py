"""In what precision weights are stored, and in what they are computed.

`torch_dtype` says how weights are stored. What they are computed in also depends on the device:
float16 has no fast instructions on most processors (a matrix product is a thousand times slower
there than in float32), and bfloat16 has them only on some. Where the package's own kernels compute,
weights stay as they are stored, and are upcast a few at a time on their way into the products.
"""

from collections.abc import Collection

import torch

from kakusan.errors import ArgumentError, shown
from kakusan.runtime.device import is_tested
from kakusan.runtime.machine import machine

DTYPES = {
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
ALIASES = {
    "fp32": "float32",
    "float": "float32",
    "fp16": "float16",
    "half": "float16",
    "bf16": "bfloat16",
}
# What stands for the dtype that the file has
AS_STORED = "auto"


def parse_dtype(name: str | torch.dtype) -> torch.dtype:
    """The dtype called `name`: float32, float16 or bfloat16, or a short form of it.

    Raises:
        RequestError: Another name.
    """
    found: object = name
    if isinstance(name, str):
        plain = name.removeprefix("torch.")
        found = DTYPES.get(ALIASES.get(plain, plain))
    if not isinstance(found, torch.dtype) or found not in DTYPES.values():
        raise ArgumentError(
            "{dtype} {0} is unknown; choose one of: {1}", shown(str(name)), ", ".join(DTYPES)
        )
    return found


def asked_dtype(
    torch_dtype: str | torch.dtype | None, dtype: str | torch.dtype | None
) -> torch.dtype | None:
    """What weights are to be stored in, by either of its published names; None: as in the file.

    float32 where neither is given, as in the reference.

    Raises:
        RequestError: No dtype, or two that disagree.
    """
    given = [each for each in (torch_dtype, dtype) if each is not None]
    parsed = [None if _is_as_stored(each) else parse_dtype(each) for each in given]
    if len(set(parsed)) > 1:
        raise ArgumentError(
            "{dtype} is {0} and {torch_dtype} is {1}; give one", shown(dtype), shown(torch_dtype)
        )
    return parsed[0] if parsed else torch.float32


def common_dtype(stored: Collection[torch.dtype]) -> torch.dtype:
    """The dtype that holds what a file has without loss; float32 for what is not computed in."""
    floating = {dtype for dtype in stored if dtype.is_floating_point}
    if not floating or not floating <= set(DTYPES.values()):
        return torch.float32
    return floating.pop() if len(floating) == 1 else torch.float32


def _is_as_stored(name: str | torch.dtype) -> bool:
    return isinstance(name, str) and name == AS_STORED


def compute_dtype(stored: torch.dtype, device: torch.device) -> torch.dtype:
    """What weights stored in `stored` are computed in on `device`."""
    if device.type != "cpu" or stored not in (torch.float16, torch.bfloat16):
        return stored
    return torch.bfloat16 if machine().fast_bfloat16 else torch.float32


def default_dtype(device: torch.device) -> torch.dtype:
    """What large models are stored in when the user does not say."""
    return torch.float16 if device.type != "cpu" else compute_dtype(torch.bfloat16, device)


def explain(device: torch.device) -> str:
    """One line: what `device` computes in by default, and why."""
    name = str(default_dtype(device)).removeprefix("torch.")
    if not is_tested(device):
        return f"{name}: half the memory of float32; kakusan is not tested on {_kind(device)}"
    if device.type != "cpu":
        return f"{name}: half the memory of float32, and this GPU has instructions for it"
    if machine().fast_bfloat16:
        found = next(i for i in ("amx_bf16", "avx512_bf16", "bf16") if i in machine().instructions)
        return f"{name}: this processor has {found}; float16 weights are computed in bfloat16 too"
    return f"{name}: this processor has no bfloat16 instructions, whatever weights are stored in"


def _kind(device: torch.device) -> str:
    return {"cuda": "AMD's GPUs", "mps": "Apple's GPUs", "xpu": "Intel's GPUs"}.get(
        device.type, device.type
    )
