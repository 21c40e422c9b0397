"""Weights from and to files, without trusting the files and without a second copy in memory."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Set
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from kakusan.checkpoints.files import JSON, atomic, describe, file_names, read_json, write_json
from kakusan.checkpoints.gguf import read_gguf
from kakusan.checkpoints.pickled import read_pickled
from kakusan.checkpoints.selection import WeightsName, choose, kind_of_weights
from kakusan.errors import CheckpointError, RequestError, listed, reason, shown
from kakusan.quantized.formats import Format
from kakusan.quantized.tensor import QuantizedTensor, plain_tensor
from kakusan.runtime import kernels

# While converting, a file is mapped anew after this many bytes, so that the pages already
# converted do not stay in memory beside their copies.
CONVERTED_PER_MAPPING = 32 * 2**20
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_BINARY_UNITS = {"KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_SIZE = re.compile(rf"(\d{{1,15}}(?:\.\d{{1,9}})?) ?({'|'.join(_UNITS | _BINARY_UNITS)})")
# As the reference: files of at most 10 GB
DEFAULT_SHARD = 10 * 10**9


def find_weights(
    folder: Path,
    stem: str,
    *,
    variant: str | None = None,
    use_safetensors: bool | None = None,
) -> list[Path]:
    """The files of a part's weights: one, or its shards in order.

    Args:
        folder: The part's folder.
        stem: `diffusion_pytorch_model` or `model` (whose `.bin` form is `pytorch_model.bin`).
        variant: Preferred over the plain files where it exists, as in `model.fp16.safetensors`.
        use_safetensors: None takes `.bin` only where there is no safetensors file; True and False
            take only the one or the other.

    Raises:
        CheckpointError: There are none, or a shard is missing or named outside the folder.
    """
    names = file_names(folder)
    chosen = choose(names, stem, variant=variant, use_safetensors=use_safetensors)
    if chosen is None:
        wanted = WeightsName(stem, None, use_safetensors is not False).single
        found = listed(names) if names else "no files"
        raise CheckpointError(f"{folder} has no weights: no {wanted} (it has: {found}).")
    if chosen.single in names:
        return [folder / chosen.single]
    return _shards(folder / chosen.index, names)


def _shards(index: Path, names: set[str]) -> list[Path]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index} has no weight_map that names the shards.")
    paths: dict[str, Path] = {}
    for name in weight_map.values():
        if not isinstance(name, str) or Path(name).name != name:
            raise CheckpointError(
                f"{index} names the shard {describe(name)}; it must be in this folder."
            )
        if name not in names:
            raise CheckpointError(
                f"{index.parent} lacks the shard {describe(name)} that {index.name} names."
            )
        paths[name] = index.parent / name
    return [paths[name] for name in sorted(paths)]


def read_weights(paths: Iterable[Path], *, dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Read the tensors of one or several files.

    Tensors that have the wanted dtype already stay mapped to the file: nothing is copied, and a
    page is read when it is first used (writing to such a tensor does not change the file). Others
    are converted one by one. Integers and booleans keep their dtype.

    Args:
        paths: Safetensors files, GGUF files, or `.bin` files (read by torch's weights-only reader).
        dtype: None keeps what the file has.

    Raises:
        CheckpointError: A file is broken, is not what its name says, holds more than tensors, or
            repeats a tensor of another file.
    """
    tensors: dict[str, Tensor] = {}
    for path in paths:
        read = _READERS.get(path.suffix, read_pickled)
        for name, tensor in read(path, dtype):
            if name in tensors:
                raise CheckpointError(f"{path} repeats the tensor {shown(name)} of another shard.")
            tensors[name] = tensor
    return tensors


def read_safetensors(
    path: Path,
    dtype: torch.dtype | None,
    wanted: Set[str] | None = None,
    scales: Mapping[str, Tensor] | None = None,
) -> Iterator[tuple[str, Tensor]]:
    """The tensors of a safetensors file, as `read_weights` gives them.

    Args:
        wanted: their names; None for all.
        scales: by name what tensors have to be multiplied with, beside those in eight bits.

    Raises:
        CheckpointError: The file is broken.
    """
    try:
        for group in _mappings(path, dtype, wanted, scales or {}):
            yield from group.items()
    except SafetensorError as error:
        raise CheckpointError(_safetensors_message(path, reason(error))) from None
    except (OSError, OverflowError, RuntimeError, ValueError, TypeError, LookupError) as error:
        raise CheckpointError(f"{path} cannot be read: {reason(error)}.") from None


_READERS = {".safetensors": read_safetensors, ".gguf": read_gguf}


def _mappings(
    path: Path, dtype: torch.dtype | None, wanted: Set[str] | None, scales: Mapping[str, Tensor]
) -> Iterator[dict[str, Tensor]]:
    """The tensors in groups, each from a mapping of its own that ends with its last tensor."""
    done = 0
    while True:
        group: dict[str, Tensor] = {}
        converted = 0
        with safe_open(path, framework="pt") as file:
            names = file.offset_keys()
            if wanted is not None:
                names = [name for name in names if name in wanted]
            for name in names[done:]:
                tensor = group[name] = file.get_tensor(name)
                if (made := converted_tensor(tensor, dtype, scales.get(name))) is not None:
                    group[name] = made
                    converted += tensor.nbytes
                del tensor  # it would keep the mapping
                if converted >= CONVERTED_PER_MAPPING:
                    break
        done += len(group)
        yield group
        if done >= len(names):
            return


def converted_tensor(
    tensor: Tensor, dtype: torch.dtype | None, scale: Tensor | None
) -> Tensor | None:
    """A floating point tensor in another dtype, or None where it stays as it is.

    Args:
        scale: what it has to be multiplied with: one number, or one for each row.
    """
    if scale is not None:
        rows = scale.float().reshape(-1, *[1] * (tensor.ndim - 1))
        return (tensor.float() * rows).to(dtype or torch.float32)
    if dtype and tensor.is_floating_point() and tensor.dtype != dtype:
        return tensor.to(dtype)
    return None


def _safetensors_message(path: Path, detail: str) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PK\x03\x04" or start[:1] == b"\x80":
        return f"{path} is a pickle, not a safetensors file, and was not read."
    return f"{path} is not a whole safetensors file: {detail}."


def _never(_name: str) -> bool:
    return False


def load_into(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    where: str,
    ignorable: Callable[[str], bool] = _never,
    kept: Collection[Format] = (),
) -> None:
    """Make `tensors` the parameters and buffers of a module that was built on the meta device.

    Args:
        module: Its state dict has the names and shapes that must be there.
        tensors: By the module's names; they are taken as they are, not copied.
        where: Begins the messages; usually the folder.
        ignorable: Whether a name that the module does not have may be left over.
        kept: The formats in which weights of linear layers and convolutions stay in blocks. What
            else is in blocks is unpacked.

    Raises:
        CheckpointError: Names are missing or left over, or a shape or a kind of number differs.
    """
    check_fits(module, tensors, where=where, ignorable=ignorable)
    expected = module.state_dict()
    taken = {name: tensor for name, tensor in tensors.items() if name in expected}
    products = _products(module)
    for name, tensor in taken.items():
        if isinstance(tensor, QuantizedTensor) and not (tensor.kind in kept and name in products):
            taken[name] = tensor.dequantize()
    module.load_state_dict(taken, assign=True)


def check_fits(
    module: nn.Module,
    tensors: Mapping[str, Tensor],
    *,
    where: str,
    ignorable: Callable[[str], bool] = _never,
    told: bool = False,
) -> None:
    """Raise what `load_into` would; `tensors` may be without numbers, on the meta device.

    Args:
        told: Whether the module's config was told from these tensors.
    """
    unfit = "its tensors make no network" if told else "the weights do not fit the config"
    asks = "its other tensors ask" if told else "the config asks"
    expected = module.state_dict()
    missing = [name for name in expected if name not in tensors]
    extra = [name for name in tensors if name not in expected and not ignorable(name)]
    if missing or extra:
        parts = [_listed("missing", missing), _listed("left over", extra)]
        raise CheckpointError(f"{where}: {unfit}: {'; '.join(filter(None, parts))}.")
    for name, wanted in expected.items():
        tensor = tensors[name]
        if tensor.is_floating_point() != wanted.is_floating_point():
            raise CheckpointError(
                f"{where}: {_called(name)} is of {tensor.dtype}, which cannot be a weight."
            )
        if tensor.shape != wanted.shape:
            raise CheckpointError(
                f"{where}: {name} has the shape {shown(tuple(tensor.shape))}; "
                f"{asks} for {tuple(wanted.shape)}."
            )


def _products(module: nn.Module) -> set[str]:
    """The names of the weights that linear layers and convolutions multiply by."""
    return {
        f"{name}.weight".removeprefix(".")
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    }


def check_finite(module: nn.Module, *, where: str) -> None:
    """Look at every weight once, which reads all of a mapped file.

    Raises:
        CheckpointError: A value is NaN or infinite.
    """
    for name, tensor in module.state_dict().items():
        if not _all_finite(tensor):
            raise CheckpointError(f"{where}: {name} has values that are NaN or infinite.")


def _listed(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what} {', '.join(map(_called, sorted(names)[:3]))}{more}"


def _called(name: str) -> str:
    """A tensor's name in a message, on one line and not too long."""
    return describe(name)[1:-1]


def _all_finite(tensor: Tensor) -> bool:
    if isinstance(tensor, QuantizedTensor):
        return tensor.all_finite()
    return not tensor.is_floating_point() or kernels.all_finite(tensor)


def save_weights(
    state: Mapping[str, Tensor],
    folder: Path,
    stem: str,
    *,
    variant: str | None = None,
    safetensors: bool = True,
    max_shard_size: int = DEFAULT_SHARD,
) -> None:
    """Write weights, in shards with an index if they exceed `max_shard_size` bytes.

    Each file appears whole or not at all, the index last; earlier weights of this variant go.

    Args:
        safetensors: False writes `.bin`, which only older programs need.

    Raises:
        OutputError: The folder cannot be written, or the disk is full.
        RequestError: `variant` is no word.
    """
    if variant is not None and not re.fullmatch(r"[\w-]{1,60}", str(variant)):
        raise RequestError(f'variant must be a word such as "fp16", not {shown(variant)}')
    name = WeightsName(stem, variant, safetensors)
    groups = _grouped(state, max_shard_size)
    if len(groups) == 1:
        written = {name.single}
        _save(groups[0], folder / name.single)
    else:
        weight_map: dict[str, JSON] = {}
        for number, group in enumerate(groups, start=1):
            shard = name.shard(number, len(groups))
            _save(group, folder / shard)
            weight_map |= dict.fromkeys(group, shard)
        total: JSON = sum(tensor.nbytes for tensor in state.values())
        index: dict[str, JSON] = {"metadata": {"total_size": total}, "weight_map": weight_map}
        write_json(folder / name.index, index)
        written = {name.index, *map(str, weight_map.values())}
    for old in file_names(folder) - written:
        if kind_of_weights(old) == (stem, variant):  # it might be read in their place
            (folder / old).unlink(missing_ok=True)


def shard_bytes(max_shard_size: int | str | None) -> int:
    """The bytes that "5GB", "200MB" or "1GiB" mean, as people name them.

    Raises:
        RequestError: It is no size.
    """
    if max_shard_size is None:
        return DEFAULT_SHARD
    if isinstance(max_shard_size, int) and not isinstance(max_shard_size, bool):
        size = max_shard_size
    else:
        match = _SIZE.fullmatch(str(max_shard_size).upper())
        size = int(float(match[1]) * (_UNITS | _BINARY_UNITS)[match[2]]) if match else 0
    if size < 1:
        raise RequestError(
            f'max_shard_size must be bytes or a text such as "5GB", not {shown(max_shard_size)}'
        )
    return size


def _grouped(state: Mapping[str, Tensor], max_bytes: int) -> list[dict[str, Tensor]]:
    groups: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in state.items():
        if groups[-1] and size + tensor.nbytes > max_bytes:
            groups.append({})
            size = 0
        groups[-1][name] = tensor
        size += tensor.nbytes
    return groups


def _save(tensors: Mapping[str, Tensor], path: Path) -> None:
    plain: dict[str, Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        value = plain_tensor(tensor).detach().contiguous()
        storage = value.untyped_storage().data_ptr()
        plain[name] = value.clone() if storage in storages else value  # the format shares nothing
        storages.add(storage)
    with atomic(path) as temporary:
        if path.suffix == ".bin":
            torch.save(plain, temporary)
        else:
            save_file(plain, temporary, metadata={"format": "pt"})
