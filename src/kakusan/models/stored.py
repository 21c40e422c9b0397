"""A network and the files that are here: folders, single files, and whether they are its own."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

import torch
from torch import Tensor

from kakusan.checkpoints.files import read_json
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.entries import DTYPES, Entry
from kakusan.checkpoints.weights import check_fits, find_weights, load_into, read_weights
from kakusan.errors import CheckpointError
from kakusan.models.network import CONFIG_FILE, ConfigT, Network
from kakusan.models.skeleton import skeleton
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.runtime import kernels
from kakusan.runtime.precision import common_dtype


class Stored(Network[ConfigT]):
    """A network that has a folder of files, or a part of a single file.

    Attributes:
        weights_stem: how the file of weights is called, without variant and suffix.
        ignored: tensors with one of these between the dots of their name may be left over.
        part_names: what pipelines call such a part, the usual one first.
        checkpoint_class: what a single file is read as.
    """

    weights_stem: ClassVar[str] = "diffusion_pytorch_model"
    ignored: ClassVar[frozenset[str]] = frozenset()
    part_names: ClassVar[tuple[str, ...]] = ()
    checkpoint_class: ClassVar[type[Checkpoint]] = Checkpoint

    @abstractmethod
    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a file, under our names and in our shapes."""

    @abstractmethod
    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our tensors, under the published names and in the published shapes."""

    @classmethod
    def from_file(cls, file: Path, dtype: torch.dtype | None) -> Self:
        """Load this part of a single file that is here, for inference.

        Args:
            dtype: of the stored weights; None as the file has them.

        Raises:
            CheckpointError: it is broken, something else, or lacks this part.
        """
        return cls.from_checkpoint(cls.checkpoint_class(file), dtype)

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, dtype: torch.dtype | None) -> Self:
        """Load this part of a single file that was opened.

        Shapes are compared with the config before any weight is read.

        Raises:
            CheckpointError: the file lacks it, or it does not fit its config.
        """
        model, name = cls.unfilled(checkpoint), cls.name_in(checkpoint)
        read = checkpoint.tensors(name, dtype)
        return cls._loaded(model, read, dtype, f"{checkpoint}: {name}")

    @classmethod
    def name_in(cls, checkpoint: Checkpoint) -> str:
        """Which part of a single file it is loaded from."""
        names = (name for name in cls.part_names if name in checkpoint.found.parts)
        return next(names, cls.part_names[0])

    @classmethod
    def unfilled(cls, checkpoint: Checkpoint) -> Self:
        """The network that a single file's weights fit, before they are read.

        Raises:
            CheckpointError: the file lacks it, or it does not fit its config.
        """
        name = cls.name_in(checkpoint)
        part, where = checkpoint.part(name), f"{checkpoint}: {name}"
        try:
            with skeleton():
                model = cls(cls.config_class.from_published(checkpoint.config(name), where))
        except CheckpointError as error:
            said = str(checkpoint) in str(error)
            raise error if said else CheckpointError(f"{where}: {error}") from None
        shapes = checkpoint.shapes(name)
        metas = {each: torch.empty(shape, device="meta") for each, shape in shapes.items()}
        metas |= {each: torch.empty(0, device="meta") for each in part.left}
        ours = model.from_published_tensors(metas)
        told = checkpoint.tells(name)
        check_fits(model, ours, where=where, ignorable=cls._ignores, told=told)
        return model

    def check_entries(self, entries: Mapping[str, Entry], where: str) -> None:
        """Raise CheckpointError where a folder's tensors, yet to be read, are not this network's.

        Args:
            where: begins the messages.
        """
        metas = {
            name: torch.empty(
                entry.shape, device="meta", dtype=getattr(torch, DTYPES[entry.dtype], None)
            )
            for name, entry in entries.items()
            if entry.dtype in DTYPES
        }
        check_fits(self, self.from_published_tensors(metas), where=where, ignorable=self._ignores)

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        dtype: torch.dtype | None,
        *,
        variant: str | None = None,
        use_safetensors: bool | None = None,
    ) -> Self:
        """Load what is in a folder, for inference.

        Args:
            dtype: of the stored weights; None as the file has them.
            variant: taken where it is there, else the plain weights.

        Raises:
            CheckpointError: a file is missing, broken, or not what it claims to be.
        """
        model = cls.shaped_as(folder)
        paths = find_weights(
            folder, cls.weights_stem, variant=variant, use_safetensors=use_safetensors
        )
        return cls._loaded(model, read_weights(paths, dtype=dtype), dtype, str(folder))

    @classmethod
    def _loaded(
        cls, model: Self, read: dict[str, Tensor], dtype: torch.dtype | None, where: str
    ) -> Self:
        """A network without weights, given those of a file."""
        if dtype is None:
            in_blocks = {t.dtype for t in read.values() if isinstance(t, QuantizedTensor)}
            common = common_dtype(in_blocks or {tensor.dtype for tensor in read.values()})
            for name, tensor in read.items():
                read[name] = tensor.to(common) if tensor.is_floating_point() else tensor
        tensors = model.from_published_tensors(read)
        load_into(model, tensors, where=where, ignorable=cls._ignores, kept=kernels.BLOCK_TYPES)
        model._unseen = where
        return model.eval()

    @classmethod
    def shaped_as(cls, folder: Path) -> Self:
        """A network without weights, as the config of a folder has it.

        Raises:
            CheckpointError: the file is missing, broken, or not what it claims to be.
        """
        with skeleton():
            return cls(cls._read_config(folder))

    @classmethod
    def _ignores(cls, name: str) -> bool:
        return not cls.ignored.isdisjoint(name.split("."))

    @classmethod
    def _read_config(cls, folder: Path) -> ConfigT:
        path = folder / CONFIG_FILE
        if not path.is_file() and (folder / "model_index.json").is_file():
            raise CheckpointError(f"{folder} is a whole pipeline; say which part with subfolder=.")
        try:
            return cls.config_class.from_published(read_json(path), str(path))
        except CheckpointError as error:
            if str(path) in str(error):
                raise
            raise CheckpointError(f"{path}: {error}") from None
