"""A model's parts put together: loaded, saved and exchanged."""

from abc import ABCMeta
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from kakusan.checkpoints.arguments import check_published
from kakusan.checkpoints.source import Source
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.checkpoints.weights import shard_bytes
from kakusan.engine import Engine, Placement
from kakusan.errors import RequestError, kind_of
from kakusan.later import missing_attribute
from kakusan.models import CLIPTextModel, UNet2DConditionModel, within
from kakusan.pipeline import (
    adapter_fusing,
    adapter_saving,
    adapter_strengths,
    adapters,
    ip_adapters,
)
from kakusan.pipeline.checker import is_function
from kakusan.pipeline.container import Container, check_family
from kakusan.pipeline.file_loading import FileLoading
from kakusan.pipeline.image_prompts import IPAdapters
from kakusan.pipeline.index import INDEX, save_parts
from kakusan.pipeline.loading import CONSTRUCTION, Loading, check_settings
from kakusan.pipeline.net_parts import check_is_steered
from kakusan.pipeline.outfits import AdapterFiles
from kakusan.pipeline.parts import SEVERAL, Layout, as_one, check_together, nets_of
from kakusan.pipeline.placed import Placed
from kakusan.pipeline.preview import LatentPreview
from kakusan.pipeline.running import callback_of, check_between_calls
from kakusan.pipeline.single_file import container_of
from kakusan.pipeline.sourced import Sourced
from kakusan.runtime.precision import asked_dtype
from kakusan.schedulers import Scheduler
from kakusan.text import CLIPTokenizer

# Parts that a pipeline of another family may be without
_LOOKING = frozenset({"safety_checker", "feature_extractor", "image_encoder"})


class _WithNamesToCome(ABCMeta):
    """Answers for well-known names of the class that come later, see `kakusan.later`."""

    def __getattr__(cls, name: str) -> Any:
        raise missing_attribute(cls.__name__, name, dir(cls))


class Pipeline(Placed, Sourced, Sendable, metaclass=_WithNamesToCome):
    """The parts of a model, which are public and may be exchanged between calls.

    Attributes:
        layout: which parts a pipeline of this class has.
        settings: what its index says besides, see `Layout.settings`.
        ip_adapters: those that load_ip_adapter has loaded.
    """

    layout: ClassVar[Layout]
    # They are there as a rule; what needs one that is None says so
    vae: Any  # an Autoencoder; which kind, whoever put it there knows
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel

    def __init__(
        self,
        parts: Mapping[str, Any],
        published: Mapping[str, Any],
        settings: Mapping[str, bool] | None = None,
    ) -> None:
        """Put parts together.

        Args:
            parts: All of the layout's by name.
            published: What the reference takes besides and changes nothing here.

        Raises:
            RequestError: A part is not what it stands for, or does not fit another.
        """
        layout = self.layout
        check_published(
            type(self).__name__, published, CONSTRUCTION, (*layout.parts, *layout.settings)
        )
        self.settings = {**layout.settings, **(settings or {})}
        check_settings(layout, self.settings)
        for part in layout.parts:
            setattr(self, part, parts[part])
        check_together(self.components, layout, self.settings)
        self.source: Source | None = None
        self.variant: str | None = None
        self._loaded: dict[str, object] = {}
        self._own_scheduler: Scheduler[Any] | None = None
        self.defaults: dict[str, Any] = {}
        self._progress: dict[str, Any] = {}
        self._preview: tuple[object, LatentPreview] | None = None
        self._placement = Placement()
        self._adapter_files = AdapterFiles()
        self.ip_adapters = IPAdapters()

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | PathLike[str],
        *,
        torch_dtype: torch.dtype | str | Mapping[str, Any] | None = None,
        dtype: torch.dtype | str | Mapping[str, Any] | None = None,
        revision: str | None = None,
        variant: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        use_safetensors: bool | None = None,
        device_map: object = None,
        prediction_type: str | None = None,
        **parts: Any,
    ) -> Self:
        """Load "builtin", a folder, or a Hub id, in the published layout, or a single file.

        Args:
            torch_dtype: How weights are stored; float32 where not given, "auto" as the files have
                them; by part, with "default" for the others, where that is a mapping.
            dtype: Its newer name.
            variant: Such as "fp16", for the parts that have it; the others are plain.
            use_safetensors: False takes `.bin` weights, True refuses them, None prefers
                safetensors.
            device_map: A device to place it on; "auto" and "balanced" are the best one here.
            prediction_type: "epsilon" or "v_prediction": what the UNet of a single file predicts,
                in place of what the file tells.
            parts: Ready parts by name (`scheduler=`, `vae=`, ...) in place of the folder's, None to
                go without one; and what the reference takes and changes nothing here, see
                `kakusan.checkpoints.arguments`.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
            UnknownArgumentError: An argument that does not exist.
        """
        loading = Loading.of(
            f"{cls.__name__}.from_pretrained",
            torch_dtype=torch_dtype,
            dtype=dtype,
            revision=revision,
            variant=variant,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            use_safetensors=use_safetensors,
            device_map=device_map,
            prediction_type=prediction_type,
            **parts,
        )
        return cls.from_source(loading.locate(pretrained_model_name_or_path), loading)

    @classmethod
    def from_single_file(
        cls, pretrained_model_link_or_path: str | PathLike[str], **options: Any
    ) -> Self:
        """Load a single file, as sharing sites have them: .safetensors, .ckpt.

        Args:
            pretrained_model_link_or_path: A file that is here, or OWNER/NAME/FILE of the Hugging
                Face Hub, or its address.
            options: Those of `from_pretrained`, and of `FileLoading`: `config`, a folder whose
                published configs are taken in place of what the file tells; `original_config`, the
                training's .yaml; `prediction_type`, `image_size`, `num_in_channels`,
                `scaling_factor`, `scheduler_type`, each in place of what the file tells.

        Raises:
            CheckpointError: The file is missing, broken, something else, or lacks parts.
            UnknownArgumentError: An argument that does not exist.
        """
        asked = FileLoading.of(f"{cls.__name__}.from_single_file", **options)
        source, container = asked.open(pretrained_model_link_or_path)
        return cls.from_container(container, source, asked.loading)

    @classmethod
    def from_source(cls, source: Source, loading: Loading) -> Self:
        """Load a model that was located.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
        """
        return cls.from_container(container_of(source, loading.prediction_type), source, loading)

    @classmethod
    def from_container(cls, container: Container, source: Source, loading: Loading) -> Self:
        """Load a model from what holds its parts.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
        """
        check_family(container, loading.parts, cls.layout)
        made, given = loading.read(container, cls.layout), loading.parts
        pipe = cls(**made)
        pipe.source, pipe.variant = source, loading.weights.variant
        pipe._loaded = {part: made[part] for part in cls.layout.drawn_by if part not in given}
        pipe._own_scheduler = None if "scheduler" in given else pipe._scheduler
        pipe.defaults = container.defaults()
        return pipe if loading.device is None else pipe.to(loading.device)

    @classmethod
    def from_pipe(
        cls,
        pipeline: "Pipeline",
        *,
        torch_dtype: torch.dtype | str | None = None,
        dtype: torch.dtype | str | None = None,
        **parts: Any,
    ) -> Self:
        """A pipeline that shares the parts of another.

        Args:
            torch_dtype, dtype: Stores the weights in it, which are those of the other one too.
            parts: In place of the other one's.

        Raises:
            RequestError: It is no pipeline of kakusan, or a part does not fit.
            UnknownArgumentError: An argument that does not exist.
        """
        if not isinstance(pipeline, Pipeline):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(
                f"{cls.__name__}.from_pipe takes a pipeline of kakusan, not {kind_of(pipeline)}"
            )
        where = f"{cls.__name__}.from_pipe"
        layout, components = cls.layout, pipeline.components
        known = (*layout.parts, *layout.settings)
        given = {name: value for name, value in parts.items() if name in known}
        rest = {name: value for name, value in parts.items() if name not in known}
        check_published(where, rest, CONSTRUCTION, (*known, "torch_dtype", "dtype"))
        lacking = [part for part in layout.parts if part not in {*components, *given}]
        if needed := [part for part in lacking if part not in _LOOKING]:
            if needed[1:] == []:  # not another family's parts too
                check_is_steered(layout, {**components, **given})
            raise RequestError(
                f"{where} needs {' and '.join(needed)}, which {type(pipeline).__name__} does not "
                f"have; load {layout.model} with from_pretrained"
            )
        shared = {part: components[part] for part in layout.parts if part in components}
        settings = {n: value for n, value in pipeline.settings.items() if n in layout.settings}
        whole: dict[str, Any] = {**dict.fromkeys(lacking), **shared, **settings, **given}
        made = cls(**whole)
        made.source, made.variant = pipeline.source, pipeline.variant
        made._loaded, made.defaults = dict(pipeline._loaded), dict(pipeline.defaults)
        if "scheduler" not in given:
            made._scheduler = pipeline._scheduler
            made._own_scheduler = pipeline._own_scheduler
        made.ip_adapters = pipeline.ip_adapters
        made._placement, made._progress = pipeline._placement, dict(pipeline._progress)
        asked = asked_dtype(torch_dtype, dtype)
        return made if (torch_dtype is None and dtype is None) or asked is None else made.to(asked)

    def save_pretrained(
        self,
        save_directory: str | PathLike[str],
        *,
        variant: str | None = None,
        safe_serialization: bool = True,
        max_shard_size: int | str | None = None,
        push_to_hub: bool = False,
        **options: Any,
    ) -> None:
        """Write every part in the published layout; the reference library loads it again.

        All is written before the first file takes an old one's place.

        Args:
            safe_serialization: False writes `.bin` files, which only older programs need.
            max_shard_size: Bytes, or a text such as "5GB"; larger weights become several files.
            push_to_hub: Sends the files to the Hugging Face Hub too; `options` are then those of
                `push_to_hub`, with `repo_id`.

        Raises:
            OutputError: The folder cannot be written, or the disk is full; what it held is whole.
            UnknownArgumentError: An argument that does not exist.
        """
        if is_function(self.components.get("safety_checker")):
            raise RequestError("a function as safety checker cannot be saved; take it out first")
        what, folder = type(self).__name__, Path(save_directory)
        upload = upload_asked(f"{what}.save_pretrained", push_to_hub, folder, options)
        weights = {
            "variant": variant,
            "safe_serialization": safe_serialization,
            "max_shard_size": shard_bytes(max_shard_size),
        }

        def write(stage: Path) -> None:
            save_parts(
                stage,
                self.layout,
                self.components,
                settings=self.settings,
                defaults=self.defaults,
                weights=weights,
            )

        save_whole(folder, INDEX, write, upload, what)

    load_lora_weights = adapters.load_lora_weights
    unload_lora_weights = adapters.unload_lora_weights
    set_adapters = adapter_strengths.set_adapters
    get_active_adapters = adapter_strengths.get_active_adapters
    get_list_adapters = adapters.get_list_adapters
    delete_adapters = adapters.delete_adapters
    enable_lora = adapter_strengths.enable_lora
    disable_lora = adapter_strengths.disable_lora
    fuse_lora = adapter_fusing.fuse_lora
    unfuse_lora = adapter_fusing.unfuse_lora
    fused_loras = property(adapter_fusing.fused_loras)
    num_fused_loras = property(adapter_fusing.num_fused_loras)
    set_lora_device = adapters.set_lora_device
    enable_lora_hotswap = adapters.enable_lora_hotswap
    save_lora_weights = classmethod(adapter_saving.save_lora_weights)

    load_ip_adapter = ip_adapters.load_ip_adapter
    set_ip_adapter_scale = ip_adapters.set_ip_adapter_scale
    unload_ip_adapter = ip_adapters.unload_ip_adapter
    encode_image = ip_adapters.encode_image
    prepare_ip_adapter_image_embeds = ip_adapters.prepare_ip_adapter_image_embeds

    def __getattr__(self, name: str) -> Any:
        if name in dir(type(self)):  # a property of ours that failed: its own error
            return object.__getattribute__(self, name)
        raise missing_attribute(type(self).__name__, name, dir(self))

    def __repr__(self) -> str:
        parts = {name: type(within(part)).__name__ for name, part in self.components.items()}
        said = ", ".join(f"{name}={kind}" for name, kind in parts.items() if kind != "NoneType")
        return f"{type(self).__name__}({said})"

    @property
    def components(self) -> dict[str, Any]:
        """The parts by name; an absent optional one is None."""
        return {part: getattr(self, part) for part in self.layout.parts}

    @property
    def vae_scale_factor(self) -> int:
        """Pixels along one side of a latent."""
        return self.vae.scale_factor

    @property
    def engine(self) -> Engine:
        """The networks as they are now, ready to compute; see `kakusan.engine`."""
        parts = self.components
        checker = parts.get("safety_checker")
        return Engine(
            self.unet,
            self.vae,
            self.text_encoder,
            None if is_function(checker) else checker,
            self._placement,
            text_encoder_2=parts.get("text_encoder_2"),
            controls=[net for part in SEVERAL for net in nets_of(parts.get(part))],
            image_encoder=parts.get("image_encoder"),
        )

    def set_progress_bar_config(self, **options: Any) -> None:
        """Pass `options` (`disable=True`, `desc=...`) to the tqdm bar of every later call."""
        self._progress = options

    @property
    def progress_options(self) -> Mapping[str, Any]:
        """What `set_progress_bar_config` was given last."""
        return self._progress

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.layout.parts:
            check_between_calls(self, name)
            value = as_one(name, value)
        super().__setattr__(name, value)

    @property
    def scheduler(self) -> Scheduler[Any]:
        """Inside a callback a copy of the call's, with its timesteps."""
        call = callback_of(self)
        running_one = None if call is None else call.scheduler
        return self._scheduler if running_one is None else running_one.fresh()

    @scheduler.setter
    def scheduler(self, scheduler: Scheduler[Any]) -> None:
        self._scheduler = scheduler
