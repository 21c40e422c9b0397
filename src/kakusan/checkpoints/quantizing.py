"""Which tensors of a model become blocks, as stable-diffusion.cpp chooses them."""

import math
import re
from collections.abc import Mapping

import torch

from kakusan.checkpoints.gguf import ORIGINAL_SHAPE
from kakusan.checkpoints.gguf_fields import Field, integers_field
from kakusan.checkpoints.single_file.edm import is_flag
from kakusan.checkpoints.single_file.writing import Written, reshaped
from kakusan.errors import RequestError, shown
from kakusan.quantized.formats import BY_NAME, F16, OF_DTYPE, Format
from kakusan.quantized.packing import PACKING

# Small, or read row by row rather than multiplied with
_STAYS = re.compile(r"\.(?:bias|scale)$|time_embed\.|label_emb\.|embedding|^embeddings\.")
_ROW = 256  # what ComfyUI-GGUF makes rows of, where a tensor's own are too short


def parse_format(name: str) -> Format:
    """The format called `name`, as a command line names it: q8_0.

    Raises:
        RequestError: There is none that is written.
    """
    kind = BY_NAME.get(str(name).lower())
    if kind not in PACKING:
        names = ", ".join(each.name.lower() for each in PACKING)
        raise RequestError(f"quantize is {shown(name)}; it must be one of: {names}")
    return kind


def formats_of(tensors: Mapping[str, Written], kind: Format | None) -> dict[str, Format]:
    """The format of every tensor of a file.

    Matrices whose rows are whole blocks become `kind`. What else is multiplied with, such as 3x3
    convolutions, is at most 16 bits; embeddings are, too. Vectors stay as they are, and so do the
    flags that tell of a model's noise levels and latents.

    Args:
        kind: None for no blocks.
    """
    return {name: _format_of(name, each, kind) for name, each in tensors.items()}


def _format_of(name: str, tensor: Written, kind: Format | None) -> Format:
    own = OF_DTYPE[tensor.dtype]
    if kind is None or not tensor.dtype.is_floating_point or is_flag(name):
        return own
    if len(tensor.shape) < 2:
        return own
    if tensor.shape[-1] % kind.values == 0 and not _STAYS.search(name):
        return kind
    return F16 if tensor.dtype in (torch.float32, torch.float64) else own


def with_convolutions(
    tensors: Mapping[str, Written], formats: Mapping[str, Format], kind: Format
) -> tuple[dict[str, Written], dict[str, Format], dict[str, Field]]:
    """The same with convolutions in blocks, too: as rows of 256, beside a note of their shapes.

    ComfyUI-GGUF writes them so; stable-diffusion.cpp does not read them.
    """
    found, chosen, notes = dict(tensors), dict(formats), dict[str, Field]()
    for name, each in tensors.items():
        count = math.prod(each.shape)
        small = len(each.shape) == 4 and each.shape[-1] % kind.values != 0
        if small and count % _ROW == 0 and not _STAYS.search(name):
            found[name] = reshaped(each, (count // _ROW, _ROW))
            chosen[name] = kind
            notes[f"{ORIGINAL_SHAPE}{name}"] = integers_field(each.shape)
    return found, chosen, notes
