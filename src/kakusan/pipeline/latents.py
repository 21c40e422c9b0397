"""Finished latents in a file, with the records of the pictures that they are to become.

A safetensors file: the tensor `latents` as the loop has it, (pictures, channels, height / 8,
width / 8), and under the key `kakusan` of its metadata the records as a JSON list.
"""

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from kakusan.checkpoints.files import write_bytes, write_new
from kakusan.checkpoints.single_file.header import read_header
from kakusan.errors import (
    InputError,
    OutputError,
    RequestError,
    Undecoded,
    reason,
    shown,
    shown_path,
)
from kakusan.images.latents import KEY, latents_records, no_latents
from kakusan.images.naming import candidates
from kakusan.request import MAX_PICTURES

SUFFIX = ".safetensors"
TENSOR = "latents"
DTYPES = ("F32", "F16", "BF16", "F64")


def save_latents(
    path: str | PathLike[str],
    latents: Tensor,
    records: Sequence[Mapping[str, Any]],
    *,
    replace: bool = True,
) -> Path:
    """Write latents with the records of their pictures; the file appears whole or not at all.

    Args:
        path: Ends in .safetensors.
        latents: What a pipeline gives for `output_type="latent"`, or what a `DecodeError` carries,
            shape (pictures, channels, height / 8, width / 8).
        records: One for each picture, as the same output or error has them.
        replace: Whether a file that is there is replaced. If not, the new one gets the first free
            name of `cat.safetensors`, `cat-2.safetensors`, ...

    Raises:
        RequestError: No such tensor, or another number of records.
        OutputError: Another suffix, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix.casefold() != SUFFIX:
        raise OutputError(f"{shown_path(path)} holds latents and must end in {SUFFIX}")
    if not isinstance(latents, Tensor) or latents.ndim != 4 or not latents.is_floating_point():  # pyright: ignore[reportUnnecessaryIsInstance]
        kind = tuple(latents.shape) if isinstance(latents, Tensor) else shown(latents)  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RequestError(f"latents are a tensor (pictures, channels, height, width), not {kind}")
    if len(records) != len(latents):
        raise RequestError(f"there are {len(latents)} latents and {len(records)} records")
    told = {"format": "pt", KEY: json.dumps([dict(record) for record in records])}
    data = save({TENSOR: latents.detach().cpu().contiguous()}, told)
    if not replace:
        return write_new(candidates(path), data)
    write_bytes(path, data)
    return path


def load_latents(path: str | PathLike[str]) -> Undecoded:
    """What `save_latents` wrote: latents, and the records of their pictures.

    Raises:
        InputError: It is no such file, or broken.
    """
    path = Path(path)
    header = read_header(path)
    records = latents_records(path, header)
    stored = header.entries.get(TENSOR)
    if stored is None or stored.dtype not in DTYPES or len(stored.shape) != 4:
        raise no_latents(path)
    if stored.shape[0] != len(records) or 0 in stored.shape:
        raise InputError(
            f"{shown_path(path)} is broken: latents of shape {shown(stored.shape)} with "
            f"{len(records)} records"
        )
    if len(records) > MAX_PICTURES:
        raise InputError(f"{shown_path(path)} has {len(records)} pictures; {MAX_PICTURES} are read")
    try:
        with safe_open(path, framework="pt") as file:
            latents: Tensor = file.get_tensor(TENSOR)
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise InputError(f"{shown_path(path)} is broken: {reason(error)}") from None
    if not torch.isfinite(latents).all():
        raise InputError(f"{shown_path(path)} has latents that are NaN or infinite")
    return Undecoded(latents, records)
