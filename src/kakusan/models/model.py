"""What every network has in common: its files, its dtype and its device."""

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, cast

import torch
from torch import Tensor

from kakusan.checkpoints.arguments import LOADING, check_published, token_of
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.checkpoints.single_file.checkpoint import Checkpoint
from kakusan.checkpoints.single_file.entries import DTYPES, Entry
from kakusan.checkpoints.single_file.loading import SINGLE_FILE, opened
from kakusan.checkpoints.source import PathLike, locate
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.checkpoints.weights import (
    check_finite,
    check_fits,
    find_weights,
    load_into,
    read_weights,
    save_weights,
    shard_bytes,
)
from kakusan.errors import CheckpointError, RequestError, shown
from kakusan.models.adapting import Copies, adapted
from kakusan.models.familiar import Familiar
from kakusan.models.layers.basic import Conv2d, GroupNorm, Linear
from kakusan.models.network_adapters import NetworkAdapters
from kakusan.models.skeleton import skeleton
from kakusan.models.worn import AdapterSet, Worn, acting
from kakusan.quantized.tensor import QuantizedTensor
from kakusan.runtime import kernels
from kakusan.runtime.arena import reused
from kakusan.runtime.device import mapped_device
from kakusan.runtime.precision import asked_dtype, common_dtype
from kakusan.runtime.preparation import Preparation

CONFIG_FILE = "config.json"
ARGUMENTS = (
    *("subfolder", "revision", "variant", "torch_dtype", "dtype", "token", "cache_dir"),
    *("local_files_only", "force_download", "use_safetensors", "device_map"),
)
# The oldest reference version whose way of reading configs is the one that is written here.
PUBLISHED_VERSION = "0.30.0"


class PublishedConfig(Protocol):
    """A config that has a published JSON form."""

    @classmethod
    def from_published(cls, published: Mapping[str, JSON], where: str = CONFIG_FILE) -> Self: ...

    def to_published(self) -> dict[str, JSON]: ...


ConfigT = TypeVar("ConfigT", bound=PublishedConfig)


class _ByKeyword(ABCMeta):
    """Networks can be made with the fields of their published JSON as keywords, too."""

    def __call__(cls, *given: Any, **published: Any) -> Any:
        kind: type[object] | None = getattr(cls, "config_class", None)
        if kind is None or (given and isinstance(given[0], kind)):
            return super().__call__(*given, **published)
        return cast("type[Model[Any]]", cls).from_config(given[0] if given else published)


class Model(Familiar, Sendable, Generic[ConfigT], metaclass=_ByKeyword):
    """A network that is built from a config and that has a folder of files.

    Attributes:
        config_class: the class of `config`.
        name_or_path: what it was loaded from, if that says it all; a request may name it so.
        adapters: those that were loaded for it, and which of them a call of it has on.
        weights_stem: how the file of weights is called, without variant and suffix.
        ignored: tensors with one of these between the dots of their name may be left over.
        part_names: what pipelines call such a part, the usual one first.
    """

    config_class: type[ConfigT]
    weights_stem: ClassVar[str] = "diffusion_pytorch_model"
    ignored: ClassVar[frozenset[str]] = frozenset()
    part_names: ClassVar[tuple[str, ...]] = ()

    config: ConfigT

    @property
    def _needs_float32(self) -> bool:
        """Whether float16 is known to overflow in this network."""
        return False

    def __init__(self, config: ConfigT) -> None:
        super().__init__()
        self.config = config
        self.name_or_path: str | None = None
        self.adapters = NetworkAdapters()
        self._copies = Copies()
        self._unseen: str | None = None  # where weights come from that nobody looked at yet
        self._preparation = Preparation(
            (Conv2d, Linear, GroupNorm), needs_float32=self._needs_float32
        )

    @classmethod
    def from_config(cls, config: ConfigT | Mapping[str, JSON]) -> Self:
        """A network with fresh weights, from a config or from its published JSON.

        Raises:
            CheckpointError: the JSON has values that are not supported.
            RequestError: it is neither of them.
        """
        if isinstance(config, cls.config_class):
            return cls(config)
        if not isinstance(config, Mapping):
            raise RequestError(
                f"{cls.__name__}.from_config takes a config or its JSON, not {shown(config)}; "
                "from_pretrained takes a folder, load_config gives the config of one"
            )
        return cls(cls.config_class.from_published(config))

    @classmethod
    def load_config(
        cls, pretrained_model_name_or_path: PathLike, *, subfolder: str | None = None
    ) -> dict[str, JSON]:
        """The published JSON of a folder or Hub model, which `from_config` takes.

        Raises:
            CheckpointError: the file is missing or broken.
        """
        folder = locate(pretrained_model_name_or_path, subfolder=subfolder).folder
        return read_json(folder / CONFIG_FILE)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: PathLike,
        *,
        subfolder: str | None = None,
        revision: str | None = None,
        variant: str | None = None,
        torch_dtype: torch.dtype | str | None = None,
        dtype: torch.dtype | str | None = None,
        token: str | bool | None = None,
        cache_dir: PathLike | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        use_safetensors: bool | None = None,
        device_map: object = None,
        **published: object,
    ) -> Self:
        """Load a folder or a Hub model, for inference (`eval` mode).

        Args:
            pretrained_model_name_or_path: as `kakusan.checkpoints.source.locate` takes a name, and
                likewise what is not below.
            torch_dtype: how the weights are stored; float32 where not given, "auto" as the file has
                them. Weights that the file has in this dtype stay mapped to it.
            dtype: its newer name.
            device_map: names a device to place it on.
            published: what the reference takes and changes nothing here, see
                `kakusan.checkpoints.arguments`.

        Raises:
            CheckpointError: a file is missing, broken, or not what it claims to be.
            UnknownArgumentError: an argument that does not exist.
        """
        check_published(f"{cls.__name__}.from_pretrained", published, LOADING, ARGUMENTS)
        stored, device = asked_dtype(torch_dtype, dtype), mapped_device(device_map)
        source = locate(
            pretrained_model_name_or_path,
            subfolder=subfolder,
            revision=revision,
            variant=variant,
            token=token_of(token, published),
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            use_safetensors=use_safetensors,
            files=bool(cls.part_names),
        )
        if source.file is not None:
            model = cls.from_file(source.file, stored)
        else:
            model = cls.from_folder(
                source.folder, stored, variant=variant, use_safetensors=use_safetensors
            )
        if source.commit is None:
            model.name_or_path = str(source.file or source.folder)
        elif not (subfolder or revision):
            model.name_or_path = source.name
        return model if device is None else model.to(device)

    @classmethod
    def from_single_file(
        cls,
        pretrained_model_link_or_path_or_dict: PathLike,
        *,
        torch_dtype: torch.dtype | str | None = None,
        dtype: torch.dtype | str | None = None,
        config: PathLike | None = None,
        subfolder: str | None = None,
        original_config: PathLike | None = None,
        prediction_type: str | None = None,
        image_size: int | None = None,
        num_in_channels: int | None = None,
        scaling_factor: float | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: PathLike | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        device: object = None,
        **published: object,
    ) -> Self:
        """Load this part of a single file, which may hold a whole model or the part alone.

        Args:
            pretrained_model_link_or_path_or_dict: a file that is here, or OWNER/NAME/FILE of the
                Hugging Face Hub, or its address.
            torch_dtype: how the weights are stored; float32 where not given, "auto" as the file has
                them. Weights that the file has in this dtype stay mapped to it.
            dtype: its newer name.
            config: a folder or Hub model whose published configs are taken in place of what names
                and shapes tell; `subfolder` is the part's in it.
            original_config: the training's .yaml; that of the same name beside the file, if any.
            prediction_type, image_size, num_in_channels, scaling_factor: in place of what the file
                tells; as `kakusan.checkpoints.single_file.settings.Settings` takes them.
            published: what the reference takes and changes nothing here.

        Raises:
            CheckpointError: the file is missing, broken, something else, or lacks this part.
            UnknownArgumentError: an argument that does not exist.
        """
        where = f"{cls.__name__}.from_single_file"
        check_published(where, published, SINGLE_FILE, (*ARGUMENTS, "config", "original_config"))
        stored, place = asked_dtype(torch_dtype, dtype), mapped_device(device)
        said = {
            "prediction_type": prediction_type,
            "image_size": image_size,
            "num_in_channels": num_in_channels,
            "scaling_factor": scaling_factor,
        }
        yaml = original_config or published.get("original_config_file")
        source, checkpoint = opened(
            pretrained_model_link_or_path_or_dict,
            part=cls.part_names[0] if cls.part_names else None,
            config=config,
            subfolder=subfolder,
            original_config=yaml,
            said=said,
            revision=revision,
            token=token_of(token, published),
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        model = cls.from_checkpoint(checkpoint, stored)
        if all(each is None for each in (config, yaml, revision, *said.values())):
            model.name_or_path = source.name
        return model if place is None else model.to(place)

    @classmethod
    def from_file(cls, file: Path, dtype: torch.dtype | None) -> Self:
        """Load this part of a single file that is here, for inference.

        Args:
            dtype: of the stored weights; None as the file has them.

        Raises:
            CheckpointError: it is broken, something else, or lacks this part.
        """
        return cls.from_checkpoint(Checkpoint(file), dtype)

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

    def save_pretrained(
        self,
        save_directory: PathLike,
        *,
        variant: str | None = None,
        safe_serialization: bool = True,
        max_shard_size: int | str | None = None,
        push_to_hub: bool = False,
        **options: Any,
    ) -> None:
        """Write config and weights, under the published names, as the reference library reads them.

        Weights stored in float16 that a processor has computed with in bfloat16 are written as it
        rounded them.

        Args:
            safe_serialization: False writes `.bin` files, which only older programs need.
            max_shard_size: bytes, or a text such as "5GB"; larger weights become several files.
            push_to_hub: sends the files to the Hugging Face Hub too; `options` are then those of
                `push_to_hub`, with `repo_id`.

        Raises:
            OutputError: the folder cannot be written; what it held is whole.
            UnknownArgumentError: an argument that does not exist.
        """
        what, folder = type(self).__name__, Path(save_directory)
        upload = upload_asked(f"{what}.save_pretrained", push_to_hub, folder, options)
        shard = shard_bytes(max_shard_size)
        stored = {
            name: tensor.to(self.stored_dtype) for name, tensor in self.stored_tensors().items()
        }
        header: dict[str, JSON] = {
            "_class_name": what,
            "_diffusers_version": PUBLISHED_VERSION,
        }

        def write(stage: Path) -> None:
            save_weights(
                self.to_published_tensors(stored),
                stage,
                self.weights_stem,
                variant=variant,
                safetensors=safe_serialization,
                max_shard_size=shard,
            )
            write_json(stage / CONFIG_FILE, header | self.config.to_published())

        save_whole(folder, CONFIG_FILE, write, upload, what)

    def stored_tensors(self) -> dict[str, Tensor]:
        """The weights that files of this network have, under our names."""
        return self.state_dict()

    @abstractmethod
    def from_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a file, under our names and in our shapes."""

    @abstractmethod
    def to_published_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Our tensors, under the published names and in the published shapes."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype that the weights are in."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    def prepare(self) -> None:
        """Check loaded weights, and bring them into the dtype and layout that is fast; once.

        See `kakusan.runtime.preparation`.

        Raises:
            CheckpointError: The weights came from a file and some are NaN or infinite. Only now,
                because looking at them reads the whole file, which loading does not.
        """
        if not torch.compiler.is_compiling():  # a lock and a file are nothing to compile
            self._preparation.apply(self, self._check_weights)

    @property
    def stored_dtype(self) -> torch.dtype:
        """The dtype that was asked for, whatever `prepare` made of it."""
        return self._preparation.stored(self)

    @property
    def compute_dtype(self) -> torch.dtype:
        """The dtype of what flows between the layers."""
        return self._preparation.computes_in(self)

    def compute_dtype_on(self, device: torch.device) -> torch.dtype:
        """What `compute_dtype` is on a device that the network may have yet to come to."""
        return self._preparation.computes_in(self, device)

    def would_compute_in(self, stored: torch.dtype, device: torch.device) -> torch.dtype:
        """What `compute_dtype` is with weights in another dtype on a device."""
        return self._preparation.wanted(stored, device)

    def forget_upcast(self) -> None:
        """Have `upcast` make another copy, as after a change to this network."""
        self._preparation.forget_upcast()

    def upcast(self) -> Self:
        """A float32 copy of a 16-bit network, for where 16 bits overflow; made once."""
        return self._preparation.upcast(self)

    def wearing(self, worn: AdapterSet, *, merge: bool = False) -> Self:
        """This network with adapters on, and without those that it has on of itself.

        It shares what is not changed, and is to be used, not moved or cast; made anew where this
        one was changed since, and held for the next time.

        Args:
            merge: whether changes of low rank are added to weights, and not computed beside them.
        """
        worn = acting(worn)
        if not worn and not self.adapters.worn:
            return self
        self.prepare()
        return self._copies.of(self, worn, lambda: self._dressed(worn, merge=merge), merge=merge)

    def fuse(self, added: Mapping[str, Worn]) -> None:
        """Add adapters to the weights themselves, by the names that they were loaded under."""
        self.adapters.fuse(self, added)
        self.forget_upcast()

    def unfuse(self) -> None:
        """Have the weights again that were there before `fuse`, to the bit."""
        self.adapters.unfuse(self)
        self.forget_upcast()

    def switch_adapters(self, enabled: bool) -> None:
        """Have adapters act as they were put on and fused, or compute with the plain weights."""
        self.adapters.enable(self, enabled)
        self.forget_upcast()

    def _dressed(self, worn: AdapterSet, *, merge: bool) -> Self:
        made = adapted(self, worn, self.compute_dtype, merge=merge)
        made.adapters, made._copies = NetworkAdapters(), Copies()
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.adapters.worn:
            return _as_worn(self)(*args, **kwargs)
        with reused(self, keep=True):
            return super().__call__(*args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        """What a copy has: not the methods that were replaced in this one alone.

        A `decode` that was compiled for this network computes with its weights, whose copies may
        have another dtype.
        """
        return {
            name: value
            for name, value in super().__getstate__().items()
            if not callable(getattr(type(self), name, None))
        }

    def _check_weights(self) -> None:
        if self._unseen is not None:
            check_finite(self, where=self._unseen)
            self._unseen = None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        self._preparation.undo(self)
        return super()._apply(fn, recurse)

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


def _dressed_itself(network: Model[Any]) -> Model[Any]:
    """A network as a call of it computes: with the adapters that it has on."""
    return network.wearing(network.adapters.worn)


# a lock and a cache are nothing to compile
_as_worn = cast(Callable[[Model[Any]], Model[Any]], torch.compiler.disable(_dressed_itself))
