"""A model's parts put together: loaded, saved, exchanged, and moved between devices."""

from abc import ABCMeta
from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import torch

from kakusan.checkpoints.arguments import check_published
from kakusan.checkpoints.source import Source
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.checkpoints.weights import shard_bytes
from kakusan.engine import Engine, Placement
from kakusan.errors import RequestError, kind_of
from kakusan.later import missing_attribute
from kakusan.models import CLIPTextModel, Model, UNet2DConditionModel, within
from kakusan.pipeline import adapter_fusing, adapter_strengths, adapters
from kakusan.pipeline.checker import is_function
from kakusan.pipeline.container import Container, check_family
from kakusan.pipeline.exchanged import NAMED
from kakusan.pipeline.few_steps import Usual, usual, usual_of_adapters
from kakusan.pipeline.file_loading import FileLoading
from kakusan.pipeline.index import INDEX, save_parts
from kakusan.pipeline.loading import CONSTRUCTION, MOVING, Loading, check_settings
from kakusan.pipeline.outfits import AdapterFiles, Asked
from kakusan.pipeline.parts import Layout, check_together
from kakusan.pipeline.preview import LatentPreview
from kakusan.pipeline.running import callback_of, check_between_calls
from kakusan.pipeline.single_file import container_of
from kakusan.runtime.precision import asked_dtype, parse_dtype
from kakusan.schedulers import Scheduler
from kakusan.text import CLIPTokenizer

# Parts that a pipeline of another family may be without
_CHECKING = frozenset({"safety_checker", "feature_extractor"})


class _WithNamesToCome(ABCMeta):
    """Answers for well-known names of the class that come later, see `kakusan.later`."""

    def __getattr__(cls, name: str) -> Any:
        raise missing_attribute(cls.__name__, name, dir(cls))


class Pipeline(Sendable, metaclass=_WithNamesToCome):
    """The parts of a model, which are public and may be exchanged between calls.

    Attributes:
        layout: which parts a pipeline of this class has.
        settings: what its index says besides, see `Layout.settings`.
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
        if needed := [part for part in lacking if part not in _CHECKING]:
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
    def name_or_path(self) -> str | None:
        """Where the pipeline was loaded from."""
        return None if self.source is None else self.source.name

    @property
    def vae_scale_factor(self) -> int:
        """Pixels along one side of a latent."""
        return self.vae.scale_factor

    @property
    def named_parts(self) -> dict[str, str] | None:
        """Where exchanged parts come from, by name; None if one comes from nowhere with a name."""
        found: dict[str, str] = {}
        for part in self.layout.drawn_by:
            value = _without_learnt(within(getattr(self, part)))
            if self._loaded.get(part) is value:
                continue
            plain = part in NAMED and isinstance(value, Model) and value is getattr(self, part)
            name = value.name_or_path if plain else None
            # a request names one dtype, for all of them
            if name is None or value.stored_dtype != within(self.unet).stored_dtype:
                return None
            found[part] = name
        return found

    @property
    def own_source(self) -> Source | None:
        """Where the parts that decide a picture come from; None if one was exchanged.

        Those that a request can name do not count, see `named_parts`.
        """
        return None if self.named_parts is None else self.source

    @property
    def has_own_scheduler(self) -> bool:
        """Whether the scheduler is the one of the model's folder."""
        return self._scheduler is self._own_scheduler

    @property
    def usual(self) -> Usual | None:
        """What models of this kind are drawn with; None where that is as for any other."""
        unet = cast("object", within(self.unet))
        scheduler = cast("Scheduler[Any] | None", self._scheduler)
        if not isinstance(unet, UNet2DConditionModel) or scheduler is None:
            return None
        came_together = self._loaded.get("unet") is unet
        fits = came_together and self.source is not None and self.source.file is None
        return usual(
            unet.config,
            scheduler,
            name=self.name_or_path if came_together else unet.name_or_path,
            scheduler_fits=fits if self.has_own_scheduler else None,
        )

    def _usual_of(self, adapters: Asked) -> Usual | None:
        """What models are drawn with that have such adapters on; None as for any other."""
        unet = cast("object", within(self.unet))
        scheduler = cast("Scheduler[Any] | None", self._scheduler)
        if adapters.are_none or scheduler is None or not isinstance(unet, UNet2DConditionModel):
            return None
        return usual_of_adapters(
            adapters.names, unet.config, scheduler, chosen=not self.has_own_scheduler
        )

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
        )

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.engine.device

    @property
    def _execution_device(self) -> torch.device:
        """The name that scripts written for the reference know `device` by."""
        return self.device

    @property
    def dtype(self) -> torch.dtype:
        return self.engine.dtype

    def to(
        self,
        *targets: str | torch.device | torch.dtype | int | None,
        device: str | torch.device | int | None = None,
        dtype: torch.dtype | str | None = None,
        torch_device: str | torch.device | int | None = None,
        torch_dtype: torch.dtype | str | None = None,
        **published: Any,
    ) -> Self:
        """Store every network's weights in another dtype, or move them to a device, or both.

        A device ends `enable_model_cpu_offload`.

        Args:
            targets: A device, a dtype, or both in any order.
            torch_device, torch_dtype: The older names of `device` and `dtype`.
            published: `silence_dtype_warnings`, which changes nothing here.

        Raises:
            RequestError: There is no such device on this machine, or two of a kind were given.
        """
        check_published("to", published, MOVING, ("device", "dtype"))
        kept = [parse_dtype(each) for each in (dtype, torch_dtype) if each is not None]
        given = [each for each in (*targets, device, torch_device) if each is not None]
        asked = [*given, *kept]
        self._placement = self._placement.moved(self.engine.networks, asked)
        return self

    def enable_model_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Hold at most one network in the GPU's memory; the others wait in the CPU's.

        Raises:
            RequestError: There is no such GPU here, or `accelerate` was called before.
        """
        where = device if gpu_id is None else f"cuda:{gpu_id}"
        self._placement = self._placement.offloaded(self.engine.networks, where)

    def enable_sequential_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Hold at most one network in the GPU's memory, as `enable_model_cpu_offload` does.

        Raises:
            RequestError: There is no such GPU here, or `accelerate` was called before.
        """
        self.enable_model_cpu_offload(gpu_id, device)

    def maybe_free_model_hooks(self) -> None:
        """Take the network that is on the GPU off it, where they take turns there."""
        if self._placement.offload is not None:
            self._placement.offload.clear()

    def remove_all_hooks(self) -> None:
        """End `enable_model_cpu_offload`: all networks are in the CPU's memory then."""
        self.maybe_free_model_hooks()
        self._placement = replace(self._placement, offload=None)

    def accelerate(self, by: str | None = "graphs") -> Self:
        """Launch the UNet as one on a CUDA device, for calls whose shapes repeat.

        The first call of each shape takes longer, and each shape holds memory.

        Args:
            by: "graphs" records the UNet's kernels and replays them, "compile" has torch.compile
                make other ones first, which takes far longer and rounds differently, None does
                neither.

        Raises:
            RequestError: Another way, not on a CUDA device, or `enable_model_cpu_offload` is on.
        """
        self._placement = self._placement.accelerated(by, self.device)
        return self

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


def _without_learnt(part: Any) -> Any:
    """A tokenizer as it was before it learnt words, which have files of their own."""
    return part.without_learnt if isinstance(part, CLIPTokenizer) else part
