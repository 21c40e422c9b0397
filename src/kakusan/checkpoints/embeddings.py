"""Files of learnt words (textual inversion, arXiv:2208.01618): a few vectors, and what names them.

diffusers writes `{"<word>": vectors}`, AUTOMATIC1111 `string_to_param` with a name and a step,
trainers `emb_params`, and for SDXL's two text encoders `clip_l` and `clip_g`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self, cast

import torch
from torch import Tensor

from kakusan.checkpoints.adapters.refusals import is_adapter
from kakusan.checkpoints.pickled import read_pickled_object
from kakusan.checkpoints.regular import read_regular
from kakusan.checkpoints.single_file.entries import DTYPES
from kakusan.checkpoints.single_file.header import check_kind, first_bytes, read_header
from kakusan.checkpoints.single_file.recognition import FAMILIES, TEXT_WIDTHS
from kakusan.checkpoints.weights import read_safetensors
from kakusan.errors import ArgumentError, CheckpointError, InputError, listed, shown, shown_path

MOST_VECTORS = 75  # as many as a text has room for
MOST_BYTES = 2**26
_PICKLED = (b"PK\x03\x04", b"\x80")
SUFFIXES = (".safetensors", ".pt", ".bin")
# Keys of SDXL's two text encoders
_PAIR = {
    "clip_l": "text_encoder",
    "clip_g": "text_encoder_2",
    "text_encoders_0": "text_encoder",
    "text_encoders_1": "text_encoder_2",
}
# Keys that name no word
_NAMELESS = frozenset({"emb_params", "embedding", "embeddings", "weight", "*", *_PAIR})
_WIDTHS = {width: FAMILIES[family] for width, family in TEXT_WIDTHS.items()}
OTHER = "another kind of model"
_PAIR_WIDTH = 1280  # of SDXL's second text encoder


@dataclass(frozen=True, eq=False)
class Embedding:
    """A learnt word.

    Attributes:
        token: its name in the file, or else the file's name without suffix.
        vectors: by the text encoder that they are for; of a file that does not say which under ""
            alone. Shape (n, width), n the same for all.
        file: the file's name, or its path below the folder that it was found in; "" without one.
        path: of the file; None for tensors that were handed in.
        sha256: of the file; "" without one.
        step: of the training, and `checkpoint` the model that it was trained on, if told.
        source: where it is, as a request says it: a path, or OWNER/NAME/FILE of the Hub.
    """

    token: str
    vectors: Mapping[str, Tensor]
    file: str = ""
    path: Path | None = None
    sha256: str = ""
    step: int | None = None
    checkpoint: str | None = None
    source: str = ""

    @property
    def hash(self) -> str:
        """What AUTOMATIC1111's web UI calls it by: the first 12 digits of the SHA-256."""
        return self.sha256[:12]

    @property
    def count(self) -> int:
        """How many vectors it has, each of which takes the place of a token."""
        return len(next(iter(self.vectors.values())))

    @property
    def widths(self) -> tuple[int, ...]:
        return tuple(tensor.shape[-1] for tensor in self.vectors.values())

    @property
    def family(self) -> str:
        """The models that it is for, as people call them."""
        return family_of(self.widths)

    def named(self, token: str) -> Self:
        """The same under another name."""
        return replace(self, token=token)

    @property
    def is_pair(self) -> bool:
        """Whether it has vectors for both of SDXL's text encoders."""
        return len(self.vectors) > 1

    def for_model(self, widths: Mapping[str, int], *, whole: bool = True) -> dict[str, Tensor]:
        """Its vectors for each of a model's text encoders.

        Args:
            widths: of the embeddings of each text encoder, by its name in pipelines.
            whole: whether these are all that the model has.

        Raises:
            ArgumentError: It is for another model.
        """
        found = dict[str, Tensor]()
        for part, width in widths.items():
            alone = self.vectors.get("") if len(widths) == 1 else None
            vectors = self.vectors.get(part, alone)
            if vectors is None or vectors.shape[-1] != width:
                raise self._for_another(widths)
            found[part] = vectors
        if whole and self.is_pair and "text_encoder_2" not in widths:
            raise self._for_another(widths)
        return found

    def _for_another(self, widths: Mapping[str, int]) -> ArgumentError:
        own = " and ".join(map(str, self.widths))
        theirs = " and ".join(map(str, widths.values()))
        return ArgumentError(
            "the embedding {0} is for {1} ({2} numbers a token), and this is {3} ({4}); give "
            "one that was made for this model",
            shown(self.token),
            self.family,
            own,
            family_of(tuple(widths.values())),
            theirs,
        )


def family_of(widths: tuple[int, ...]) -> str:
    """The models whose text encoders have these widths, as people call them."""
    if _PAIR_WIDTH in widths:
        return FAMILIES["sdxl"] if len(widths) > 1 else "SDXL's second text encoder"
    known = [_WIDTHS[width] for width in widths if width in _WIDTHS]
    return known[0] if len(known) == len(widths) == 1 else OTHER


def read_embedding(path: Path, file: str | None = None) -> Embedding:
    """Read a file of a learnt word.

    Args:
        file: its path below the folder that it was found in; its name where that is not given.

    Raises:
        CheckpointError: It is no such file, is broken, or its vectors cannot be used.
    """
    where = shown_path(path)
    data = _whole(path)
    values = _values(path)
    found = embedding_of(values, where=where, stem=path.stem)
    digest = hashlib.sha256(data).hexdigest()
    return replace(
        found, file=file or path.name, path=path, sha256=digest, source=str(path.absolute())
    )


def embedding_of(values: Mapping[str, object], *, where: str, stem: str | None = None) -> Embedding:
    """A learnt word of what a file holds, or of a state dict that was handed in.

    Args:
        where: names it in messages.
        stem: its name where nothing else names it.

    Raises:
        CheckpointError: It is something else, or its vectors cannot be used.
    """
    learnt = values.get("string_to_param")
    if learnt is not None:
        only = _only(learnt, where)
        name, step, model = (values.get(k) for k in ("name", "step", "sd_checkpoint_name"))
        token = name if isinstance(name, str) and name.strip() else stem
        return Embedding(
            _named(token, where),
            {"": _vectors(only, where)},
            step=step if type(step) is int else None,
            checkpoint=model if isinstance(model, str) else None,
        )
    tensors = {key: value for key, value in values.items() if isinstance(value, Tensor)}
    if values and values.keys() <= _PAIR.keys():
        vectors = {_PAIR[key]: _vectors(value, where) for key, value in sorted(values.items())}
        counts = {len(tensor) for tensor in vectors.values()}
        if len(vectors) < len(values) or len(counts) > 1:
            raise CheckpointError(f"{where} has unlike numbers of vectors for its text encoders.")
        return Embedding(_named(stem, where), vectors)
    if len(tensors) == len(values) == 1:
        ((key, tensor),) = tensors.items()
        # a state dict that somebody hands in is called by its key in the reference library
        token = stem if key in _NAMELESS and (stem is not None or key == "*") else key
        return Embedding(_named(token, where), {"": _vectors(tensor, where)})
    keys = listed(map(str, values))
    raise CheckpointError(f"{where} is no embedding (textual inversion): it holds {keys}.")


def embedding_of_tensor(tensor: Tensor, token: str) -> Embedding:
    """A learnt word of its vectors alone, shape (n, width) or (width,)."""
    return Embedding(token, {"": _vectors(tensor, f"the tensor of {shown(token)}")})


def _named(token: str | None, where: str) -> str:
    if token is None:
        raise ArgumentError("{0} names no word; say with {token} what it is called", where)
    return token


def _only(learnt: object, where: str) -> object:
    """The one value of `string_to_param`."""
    held = cast("Mapping[object, object]", learnt) if isinstance(learnt, Mapping) else {}
    if len(held) != 1:
        raise CheckpointError(f"{where} holds {len(held)} learnt words; one is read from a file.")
    return next(iter(held.values()))


def _vectors(value: object, where: str) -> Tensor:
    """The vectors (n, width) of a tensor that a stranger may have made, in plain memory."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise CheckpointError(f"{where}: an embedding is floating point numbers, not {kind}.")
    if value.ndim not in (1, 2) or not value.numel():
        raise CheckpointError(
            f"{where}: an embedding has the shape (vectors, width), not {tuple(value.shape)}."
        )
    if value.ndim == 2 and len(value) > MOST_VECTORS:
        raise CheckpointError(
            f"{where} has {len(value)} vectors; a text has room for {MOST_VECTORS}."
        )
    vectors = value.detach().to("cpu", torch.float32, copy=True).reshape(-1, value.shape[-1])
    if not bool(torch.isfinite(vectors).all()):
        raise CheckpointError(f"{where}: the embedding has NaN or infinity; fetch another one.")
    return vectors


def _whole(path: Path) -> bytes:
    check_kind(path, first_bytes(path))
    try:
        return read_regular(path, most_bytes=MOST_BYTES)
    except InputError as error:
        raise CheckpointError(f"{error}; an embedding is smaller.") from None


def _values(path: Path) -> Mapping[str, object]:
    start = first_bytes(path, 9)
    if start.startswith(_PICKLED) and path.suffix != ".safetensors":
        return read_pickled_object(path)
    if start[8:] != b"{" and path.suffix != ".safetensors":
        raise CheckpointError(
            f"{shown_path(path)} is no embedding (textual inversion), nor any file of weights that "
            "kakusan reads."
        )
    entries = read_header(path).entries
    if is_adapter(entries):
        raise CheckpointError(
            f"{shown_path(path)} is no embedding (textual inversion) but a LoRA or a relative of "
            "one: --lora takes it, and load_lora_weights."
        )
    shapes = {name: entry for name, entry in entries.items() if name in _PAIR or len(entries) == 1}
    if not shapes or len(shapes) < len(entries):
        raise CheckpointError(
            f"{shown_path(path)} is no embedding (textual inversion): it holds {listed(entries)}."
        )
    strange = [entry.dtype for entry in entries.values() if entry.dtype not in DTYPES]
    if strange:
        raise CheckpointError(f"{shown_path(path)}: values of type {strange[0]} are not read.")
    return dict(read_safetensors(path, None))
