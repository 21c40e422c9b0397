"""The older weights files (`.bin`): pickles, read without running what is in them."""

import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from kakusan.errors import CheckpointError


def read_pickled(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The named tensors of a `.bin` file, each let go of here once it is handed out.

    Only torch's weights-only reader touches the file, and where its format allows the tensors are
    mapped, not read. A `state_dict` at the top, as training programs write, is looked into.

    Raises:
        CheckpointError: The file is broken or holds more than named tensors.
    """
    loaded = _load(path)
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds {type(loaded).__name__}, not named tensors.")
    for name in list(loaded):
        tensor = loaded.pop(name)
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise CheckpointError(
                f"{path} holds {name!r}, a {type(tensor).__name__}, not a tensor."
            )
        _check_plain(path, name, tensor)
        yield name, tensor.detach()


def _load(path: Path) -> object:
    if path.open("rb").read(16)[8:9] == b"{":
        raise CheckpointError(
            f"{path} is a safetensors file; rename it to {path.stem}.safetensors."
        )
    try:
        mapped = zipfile.is_zipfile(path)
        if mapped:
            _check_not_inflated(path)
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not a file of weights alone and was not read; "
            "ask for the same weights as safetensors."
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, LookupError, TypeError) as error:
        if isinstance(error, CheckpointError):
            raise
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read as weights: {first_line}.") from error


def _check_not_inflated(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise CheckpointError(f"{path} is compressed; a file of weights never is. Not read.")


def _check_plain(path: Path, name: str, tensor: Tensor) -> None:
    """A pickle may describe a tensor far larger than the bytes that it has."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.nbytes > tensor.untyped_storage().nbytes():
        raise CheckpointError(f"{path}: the tensor {name} is not a plain array of its own values.")
