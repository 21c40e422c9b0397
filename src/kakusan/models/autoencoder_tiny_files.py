"""The files that tiny autoencoders are published in, and what their names mean.

`taesd_decoder.pth` numbers the layers of one half: `1.weight`, `3.conv.0.bias`. A file with both
puts `taesd_encoder.` and `taesd_decoder.` before, or `encoder.` and `decoder.`. The reference's
folder has `decoder.layers.0.weight`, where what limits the latents has no number.
"""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from kakusan.checkpoints.weights import read_weights
from kakusan.errors import CheckpointError, shown, shown_path
from kakusan.models.autoencoder_tiny_config import TinyConfig

ENCODER, DECODER = "encoder", "decoder"
# The limit of the latents, which stands first in the decoder
LIMIT = 1
# Another program stores beside the weights what its latents are scaled by
BESIDE = frozenset({"vae_scale", "vae_shift"})
_NAME = re.compile(
    r"(?:(?:\w+_)?(encoder|decoder)\.)?(layers\.)?(\d{1,4})\.((?:conv\.[024]\.)?(?:weight|bias))"
)

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class TinyFile:
    """What a file has of a tiny autoencoder.

    Attributes:
        tensors: by our names.
        halves: of "encoder" and "decoder" those that there are.
        where: the file, for messages and records.
    """

    config: TinyConfig
    tensors: Tensors
    halves: frozenset[str]
    where: str


def is_tiny(names: Mapping[str, Any]) -> bool:
    """Whether these are the names of a tiny autoencoder's tensors, in any of its forms."""
    own = [name for name in names if name not in BESIDE]
    return bool(own) and all(_NAME.fullmatch(name) for name in own)


def read_file(file: Path, dtype: torch.dtype | None) -> TinyFile:
    """Read a file, and the one with the other half where that lies beside it.

    Raises:
        CheckpointError: It is broken, or holds something else.
    """
    tensors = _by_our_names(file, dtype)
    if (other := _other_half(file, _halves(tensors))) is not None:
        tensors |= _by_our_names(other, dtype)
    return TinyFile(_config(file, tensors), tensors, _halves(tensors), str(file))


def _by_our_names(file: Path, dtype: torch.dtype | None) -> Tensors:
    read = read_weights([file], dtype=dtype)
    if not is_tiny(read):
        found = ", ".join(shown(name) for name in sorted(read)[:3]) or "nothing"
        raise CheckpointError(
            f"{shown_path(file)} is no tiny autoencoder (TAESD): it has {found}, and so on"
        )
    bare = ENCODER if "0.weight" in read else DECODER
    renamed: Tensors = {}
    for name, tensor in read.items():
        if (match := _NAME.fullmatch(name)) is not None:
            half, layers, number, rest = match[1] or bare, match[2], int(match[3]), match[4]
            at = number if layers or half == ENCODER else number - LIMIT
            renamed[f"{half}.layers.{at}.{rest}"] = tensor
    return renamed


def _halves(tensors: Mapping[str, Tensor]) -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in tensors)


def _other_half(file: Path, halves: frozenset[str]) -> Path | None:
    """The file with the half that this one lacks, called as this one but for the half's name."""
    if len(halves) == 2:
        return None
    own, other = (ENCODER, DECODER) if ENCODER in halves else (DECODER, ENCODER)
    beside = file.with_name(file.name.replace(own, other))
    return beside if own in file.name and beside.is_file() else None


def _config(file: Path, tensors: Mapping[str, Tensor]) -> TinyConfig:
    found: dict[str, Any] = {}
    for half in _halves(tensors):
        first, last, blocks = _shape_of(file, half, tensors)
        found[f"{half}_width"], found[f"{half}_blocks"] = first[0], blocks
        inner, outer = (last[0], first[1]) if half == ENCODER else (first[1], last[0])
        found["latent_channels"] = inner
        found["in_channels" if half == ENCODER else "out_channels"] = outer
    for own, other in ((ENCODER, DECODER), (DECODER, ENCODER)):
        found.setdefault(f"{own}_blocks", tuple(reversed(found.get(f"{other}_blocks", ()))))
    try:
        return TinyConfig(**found)
    except CheckpointError as error:
        raise CheckpointError(f"{shown_path(file)}: {error}") from None


def _shape_of(
    file: Path, half: str, tensors: Mapping[str, Tensor]
) -> tuple[torch.Size, torch.Size, tuple[int, ...]]:
    """The shapes of the first and last weights of a half, and how many blocks each level has."""
    plain = re.compile(rf"{half}\.layers\.(\d+)\.weight")
    block = re.compile(rf"{half}\.layers\.(\d+)\.conv\.0\.weight")
    convolutions = sorted(int(match[1]) for name in tensors if (match := plain.fullmatch(name)))
    blocks = [int(match[1]) for name in tensors if (match := block.fullmatch(name))]
    if len(convolutions) < 2:
        raise CheckpointError(f"{shown_path(file)} has only a part of a tiny autoencoder's {half}")
    ends = [tensors[f"{half}.layers.{at}.weight"] for at in (convolutions[0], convolutions[-1])]
    for end in ends:
        if end.ndim != 4:
            raise CheckpointError(
                f"{shown_path(file)}: a weight of the {half} has the shape "
                f"{shown(tuple(end.shape))}, which is no convolution's"
            )
    levels = itertools.pairwise(convolutions)
    counts = tuple(sum(start < at < end for at in blocks) for start, end in levels)
    return ends[0].shape, ends[1].shape, counts
