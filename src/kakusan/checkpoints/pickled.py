"""The older weights files (`.bin`): pickles, read without running what is in them."""

import pickle
import re
import threading
import zipfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from kakusan.checkpoints.single_file.entries import DTYPES
from kakusan.errors import CheckpointError, reason, shown

_BY_TORCH = {ours: theirs for theirs, ours in DTYPES.items()}
_READING = threading.Lock()
_ZIP = b"PK\x03\x04"
# The number that torch's pickles began with before they were zip archives
_TORCH = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
# What embeddings of old hold their vectors in
_PARAMETERS = "torch.nn.modules.container.ParameterDict"
# Classes that lie in training files beside the weights
_BYSTANDER = re.compile(
    r"(?:pytorch_lightning|lightning|lightning_fabric|omegaconf|numpy)\.[\w.]+"
    r"|collections\.(?:defaultdict|deque)|argparse\.Namespace|pathlib\.\w*Path|typing\.Any"
)


def read_pickled(path: Path, dtype: torch.dtype | None) -> Iterator[tuple[str, Tensor]]:
    """The named tensors of a `.bin` file, floating point ones in `dtype` (None: as they are).

    Only torch's weights-only reader touches the file. Tensors that stay as they are stay mapped,
    where the file's form allows it. If one must be converted all are read, and each is let go of
    once it is converted. A `state_dict` at the top, as training programs write, is looked into.

    Raises:
        CheckpointError: The file is broken or holds more than named tensors.
    """
    tensors = _named_tensors(path, mapped=True)
    if dtype and any(t.is_floating_point() and t.dtype != dtype for t in tensors.values()):
        tensors = _named_tensors(path, mapped=False)
    for name in list(tensors):
        tensor = tensors.pop(name).detach()
        yield name, tensor.to(dtype) if dtype and tensor.is_floating_point() else tensor


def _named_tensors(path: Path, *, mapped: bool) -> dict[str, Tensor]:
    loaded = _load(path, mapped=mapped)
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds {type(loaded).__name__}, not named tensors.")
    tensors: dict[str, Tensor] = {}
    for name, value in loaded.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path} holds {shown(name)}, a {type(value).__name__}, not a tensor."
            )
        _check_plain(path, name, value)
        tensors[name] = value
    return tensors


def read_training_file(path: Path) -> tuple[dict[str, Tensor], int | None]:
    """The named tensors of a training's file and its step, if it says one; mapped where it can be.

    Such a file may hold more: epochs, callbacks, optimisers. What is no tensor goes by, and the
    classes of training programs that it names are not looked for.

    Raises:
        CheckpointError: The file is broken or holds code.
    """
    loaded: object = _load(path, mapped=True, bystanders=True)
    step: object = None
    while isinstance(loaded, dict):
        inner = cast("dict[object, object]", loaded)
        step = inner.get("global_step", step)
        learnt = inner.get("string_to_param")
        if isinstance(learnt, _Parameters):
            learnt = learnt.held
        if isinstance(learnt, dict):  # an embedding of old, to be named as such
            found = cast("dict[object, object]", learnt)
            loaded = {f"string_to_param.{key}": each for key, each in found.items()}
            break
        if not isinstance(inner.get("state_dict"), dict):
            break
        loaded = inner["state_dict"]
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds {type(loaded).__name__}, not named tensors.")
    tensors: dict[str, Tensor] = {}
    for name, value in cast("dict[object, object]", loaded).items():
        if isinstance(name, str) and isinstance(value, Tensor):
            _check_plain(path, name, value)
            tensors[name] = value.detach()
    return tensors, step if type(step) is int else None


def read_pickled_object(path: Path) -> dict[str, object]:
    """What a small training file holds under its names: tensors, texts, numbers, and such again.

    What training programs' own classes stand for is left out, but for the tensors of torch's
    `ParameterDict`, which is a plain mapping here.

    Raises:
        CheckpointError: The file is broken, holds code, or is no mapping.
    """
    loaded: object = _load(path, mapped=False, bystanders=True)
    if not isinstance(loaded, dict):
        raise CheckpointError(f"{path} holds {type(loaded).__name__}, not named tensors.")
    found: dict[str, object] = {}
    for name, value in cast("dict[object, object]", loaded).items():
        held: object = value.held if isinstance(value, _Parameters) else value
        inner = cast("dict[object, object]", held).values() if isinstance(held, dict) else [held]
        for each in inner:
            if isinstance(each, Tensor):
                _check_plain(path, str(name), each)
        if isinstance(name, str) and not isinstance(held, _StandIn):
            found[name] = held
    return found


def dtype_name(tensor: Tensor) -> str:
    """A tensor's dtype as safetensors files call it."""
    name = str(tensor.dtype).removeprefix("torch.")
    return _BY_TORCH.get(name, name)


def _load(path: Path, *, mapped: bool, bystanders: bool = False) -> object:
    try:
        whole_zip = zipfile.is_zipfile(path)  # the form before torch 1.6 is a bare pickle
        if whole_zip:
            _check_not_inflated(path)
        else:
            _check_written_by_torch(path)
        stand_ins = _stand_ins(path) if bystanders and whole_zip else []
        with _standing_in(stand_ins) if stand_ins else nullcontext():
            mmap = mapped and whole_zip
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except CheckpointError:
        raise
    except pickle.UnpicklingError:
        raise CheckpointError(_refused(path)) from None
    except Exception as error:  # a broken pickle may make torch's reader raise any kind of it
        if isinstance(error, EOFError) or "unexpected EOF" in str(error):
            raise CheckpointError(_cut(path)) from None
        raise CheckpointError(f"{path} cannot be read as weights: {reason(error)}.") from None


class _StandIn:
    """Stands where a pickle has an object of a training program, whose code is not looked for."""

    def __init__(self, *_given: object) -> None: ...

    def __setstate__(self, _state: object) -> None: ...

    def __setitem__(self, _key: object, _value: object) -> None: ...


class _Parameters(_StandIn):
    """Stands where a pickle has torch's `ParameterDict`, and holds what that held."""

    held: dict[object, object]

    def __setstate__(self, state: object) -> None:
        found = cast("dict[object, object]", state) if isinstance(state, dict) else {}
        held = found.get("_parameters")
        self.held = cast("dict[object, object]", held) if isinstance(held, dict) else {}


def _stand_ins(path: Path) -> list[Any]:
    """What the reader is to put in place of the training programs' classes that a file names."""
    named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    known = {_PARAMETERS: _Parameters}
    return [
        (type("StandIn", (known.get(name, _StandIn),), {}), name)
        for name in named
        if name in known or _BYSTANDER.fullmatch(name)
    ]


@contextmanager
def _standing_in(stand_ins: list[Any]) -> Generator[None]:
    """Have torch's reader take these for the classes whose names they bear.

    Its list of classes is the process's, and is there while one such file is read.
    """
    with _READING, torch.serialization.safe_globals(stand_ins):
        yield


def _refused(path: Path) -> str:
    with path.open("rb") as file:
        is_safetensors = file.read(9)[8:] == b"{"
    if is_safetensors:
        return f"{path} is a safetensors file; rename it to {path.stem}.safetensors."
    return (
        f"{path} is not a file of weights alone and was not read; "
        "ask for the same weights as safetensors."
    )


def _cut(path: Path) -> str:
    size = path.stat().st_size
    return f"{path} is not whole: it ends after {size} bytes, in the middle; fetch it again."


def _check_written_by_torch(path: Path) -> None:
    """Refuse what is neither torch's zip archive nor its older pickles.

    A pickle of another program is none of weights alone, and torch's reader warns of some.
    """
    with path.open("rb") as file:
        start = file.read(64)
    if start.startswith(_ZIP):  # its table of contents, at the end, is not there
        raise CheckpointError(_cut(path))
    if start.startswith(b"\x80") and _TORCH not in start:
        is_cut = _TORCH.startswith(start[2:])
        raise CheckpointError(_cut(path) if is_cut else _refused(path))


def _check_not_inflated(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > path.stat().st_size:
            raise CheckpointError(f"{path} is compressed; a file of weights never is. Not read.")


def _check_plain(path: Path, name: str, tensor: Tensor) -> None:
    """A pickle may describe a tensor far larger than the bytes that it has."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu"
    if not plain or tensor.nbytes > tensor.untyped_storage().nbytes():
        raise CheckpointError(
            f"{path}: the tensor {shown(name)} is not a plain array of its own values."
        )
