"""What a file is, in a few words; of a safetensors file, by its header alone and without torch."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kakusan.checkpoints.single_file.entries import DTYPES, Entry, TensorFile
from kakusan.checkpoints.single_file.opening import open_tensor_file
from kakusan.checkpoints.single_file.prediction import prediction_of
from kakusan.checkpoints.single_file.published import Part
from kakusan.checkpoints.single_file.recognition import FAMILIES, PARTS_OF, Recognised, recognise
from kakusan.errors import CheckpointError, shown_path


@dataclass(frozen=True)
class Identity:
    """What a file holds of a model.

    Attributes:
        family: "v1", "v2", "sdxl" or "sdxl-refiner"; None where a part alone does not say.
        name: the family as people call it, with what it draws from besides: "SDXL inpainting".
        prediction: "epsilon" or "v_prediction"; None where there is no UNet, or nobody knows.
        parts: what the weights of each part are mostly stored in: {"unet": "float16"}.
        parameters: by part.
        missing: parts that drawing needs besides.
        metadata: what the file says in words.
    """

    family: str | None
    name: str
    prediction: str | None
    parts: Mapping[str, str]
    parameters: Mapping[str, int]
    missing: tuple[str, ...]
    metadata: Mapping[str, str]


def identify(path: Path) -> Identity:
    """Say what a file is.

    Raises:
        CheckpointError: It is not a file of weights, is broken, or is something else than a model
            or a part of one, which the message says.
    """
    file = open_tensor_file(path)
    return identity_of(file, recognise(file.entries, shown_path(path)))


def identity_of(file: TensorFile, found: Recognised) -> Identity:
    """The same for a file that was opened."""
    try:
        prediction = prediction_of(file, found).kind if "unet" in found.parts else None
    except CheckpointError:
        prediction = None
    family = found.family
    return Identity(
        family=family,
        name=found.name if family is not None else _alone(found),
        prediction=prediction,
        parts={name: _stored_in(part, file.entries) for name, part in found.parts.items()},
        parameters={name: _parameters(part, file.entries) for name, part in found.parts.items()},
        missing=tuple(part for part in PARTS_OF.get(family or "", ()) if part not in found.parts),
        metadata=file.metadata,
    )


def _alone(found: Recognised) -> str:
    words = {"vae": "VAE", "text_encoder": "text encoder", "text_encoder_2": "text encoder"}
    return " and ".join(words[part] for part in found.parts)


def _entries(part: Part, entries: Mapping[str, Entry]) -> list[Entry]:
    return [entries[name] for name in {held.name for held in part.tensors.values()}]


def _stored_in(part: Part, entries: Mapping[str, Entry]) -> str:
    counts: Counter[str] = Counter()
    for entry in _entries(part, entries):
        counts[entry.dtype] += entry.numel
    dtype = counts.most_common(1)[0][0] if counts else ""
    return DTYPES.get(dtype, dtype.lower())


def _parameters(part: Part, entries: Mapping[str, Entry]) -> int:
    return sum(entry.numel for entry in _entries(part, entries))


__all__ = ["FAMILIES", "Identity", "identify", "identity_of"]
