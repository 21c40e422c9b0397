"""Networks as scripts load them, from the Hub or from here, and save them."""

from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from kakusan.checkpoints.arguments import LOADING, check_published, token_of
from kakusan.checkpoints.files import JSON, read_json, write_json
from kakusan.checkpoints.own import called, own
from kakusan.checkpoints.single_file.loading import SINGLE_FILE, opened
from kakusan.checkpoints.source import PathLike, locate
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.checkpoints.weights import save_weights, shard_bytes
from kakusan.models.network import CONFIG_FILE, ConfigT
from kakusan.models.stored import Stored
from kakusan.runtime.device import mapped_device
from kakusan.runtime.precision import asked_dtype

ARGUMENTS = (
    *("subfolder", "revision", "variant", "torch_dtype", "dtype", "token", "cache_dir"),
    *("local_files_only", "force_download", "use_safetensors", "device_map"),
)
# The oldest reference version whose way of reading configs is the one that is written here.
PUBLISHED_VERSION = "0.30.0"


class Model(Stored[ConfigT], Sendable):
    """A network as scripts load and save it, by a name or a path.

    Attributes:
        packaged: where the package has one that is called "builtin"; None where that is the model.
    """

    packaged: ClassVar[str | None] = None

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
        name = pretrained_model_name_or_path
        source = locate(
            name if cls.packaged is None or subfolder else own(name, cls.packaged),
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
            model.name_or_path = called(source.file or source.folder)
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
            kind=cls.checkpoint_class,
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
