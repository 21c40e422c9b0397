"""Between a folder and a single file, both ways, so that nothing is lost on the way back."""

from collections.abc import Mapping
from pathlib import Path

import torch

from kakusan.checkpoints.files import OnBytes
from kakusan.checkpoints.gguf import ARCHITECTURE
from kakusan.checkpoints.gguf_fields import text_field
from kakusan.checkpoints.gguf_writing import write_gguf
from kakusan.checkpoints.quantizing import formats_of, parse_format, with_convolutions
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.entries import FLOAT8
from kakusan.checkpoints.single_file.loading import checkpoint_of
from kakusan.checkpoints.single_file.quantised import is_scale
from kakusan.checkpoints.single_file.split import is_of_training
from kakusan.checkpoints.single_file.writing import Written, as_is, write_single_file
from kakusan.checkpoints.source import PathLike, locate
from kakusan.errors import OutputError, RequestError, listed, shown_path
from kakusan.pipeline.converted import Converted
from kakusan.pipeline.file_to_folder import to_folder
from kakusan.pipeline.folder_to_file import folder_as_file
from kakusan.pipeline.index import Folder
from kakusan.quantized.formats import Format

GGUF = ".gguf"


def convert(
    source: PathLike,
    target: Path,
    *,
    dtype: torch.dtype | None = None,
    variant: str | None = None,
    progress: OnBytes | None = None,
    overwrite: bool = False,
    prediction_type: str | None = None,
    quantize: str | None = None,
    convolutions: bool = True,
) -> Converted:
    """Write a folder as a single file, a single file as a folder, or either as a GGUF file.

    Args:
        source: A folder, a Hub model, or a single file.
        target: A `.safetensors` file for a folder, a folder for a file, a `.gguf` file for either.
        dtype: Of the weights; None as they are.
        variant: Such as "fp16", of the folder's weights.
        progress: Called with the bytes that are written and those of all.
        overwrite: Whether a file or folder that is there may be replaced.
        prediction_type: Of a single file, in place of what it tells.
        quantize: The format of blocks, such as "q8_0", that matrices become in a `.gguf` file.
        convolutions: Whether 3x3 convolutions do, too: noted as ComfyUI-GGUF notes them, which
            stable-diffusion.cpp does not read.

    Raises:
        InputError: The source is no model, or the target cannot be written.
    """
    found = locate(source, variant=variant, files=True)
    to_gguf = target.suffix == GGUF
    to_file = to_gguf or target.suffix == ".safetensors"
    if quantize is not None and not to_gguf:
        raise RequestError(f"only a .gguf file is quantised, not {shown_path(target)}")
    kind = None if quantize is None else parse_format(quantize)
    if found.file is None and not to_file:
        raise RequestError(
            f"the target must be a .safetensors or .gguf file, not {shown_path(target)}"
        )
    if found.file is not None and to_file and not to_gguf:
        raise RequestError(
            f"{found.name} is a single file already; the target must be a folder or a .gguf file, "
            f"not {shown_path(target)}"
        )
    there = target.exists() and (to_file or not target.is_dir() or any(target.iterdir()))
    if there and not overwrite:
        raise OutputError(f"{shown_path(target)} is there already; say --overwrite to replace it")
    if found.file is not None:
        checkpoint = checkpoint_of(found.file, {"prediction_type": prediction_type})
        if not to_gguf:
            return to_folder(checkpoint, target, dtype)
        done, out, metadata = _file_as_it_is(checkpoint, target, dtype)
        _write_gguf(target, out, metadata, kind, convolutions, progress)
        return done
    if prediction_type is not None:
        raise RequestError("prediction_type is said by a folder's scheduler; leave it out")
    done, out, metadata = folder_as_file(Folder(found.folder), target, dtype, variant)
    if to_gguf:
        _write_gguf(target, out, metadata, kind, convolutions, progress)
    else:
        write_single_file(target, out, {"format": "pt", **metadata}, progress)
    return done


def _write_gguf(
    target: Path,
    tensors: Mapping[str, Written],
    metadata: Mapping[str, str],
    kind: Format | None,
    convolutions: bool,
    progress: OnBytes | None,
) -> None:
    formats = formats_of(tensors, kind)
    fields = {key: text_field(value) for key, value in metadata.items() if key != ARCHITECTURE}
    if convolutions and kind is not None:
        tensors, formats, notes = with_convolutions(tensors, formats, kind)
        fields |= notes
    write_gguf(target, tensors, formats, fields, progress)


def _file_as_it_is(
    checkpoint: Checkpoint, target: Path, dtype: torch.dtype | None
) -> tuple[Converted, dict[str, Written], Mapping[str, str]]:
    """What is written of a single file: its own tensors, but for a training's."""
    done, file = Converted(target), checkpoint.file
    dropped = [name for name in file.entries if is_of_training(name)]
    if dropped:
        done.dropped.append(f"{len(dropped)} tensors of the training ({listed(dropped[:1])}, ...)")
    wanted = [name for name in file.entries if not is_scale(name) and name not in dropped]
    eight = any(entry.dtype in FLOAT8 for entry in file.entries.values())
    out: dict[str, Written] = {}
    for name, tensor in file.tensors(wanted, torch.float16 if eight else None):
        out[name] = as_is(tensor, dtype, name)
    return done, out, {key: value for key, value in file.metadata.items() if key != "format"}
