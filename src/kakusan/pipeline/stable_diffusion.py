"""StableDiffusionPipeline: a prompt in, pictures out, as users of the reference library call it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any, Self, cast

import torch
from PIL.Image import Image
from torch import Tensor
from tqdm import tqdm

from kakusan.checkpoints.arguments import check_published
from kakusan.checkpoints.source import Source
from kakusan.checkpoints.upload import Sendable, save_whole, upload_asked
from kakusan.checkpoints.weights import shard_bytes
from kakusan.conditioning import encode_texts
from kakusan.engine import Engine, Placement, present
from kakusan.errors import ArgumentError, GenerationInterrupted, RequestError, kind_of, nearest
from kakusan.images import to_numpy, to_pil, to_unit_range
from kakusan.inputs import Inputs
from kakusan.later import missing_attribute, without_later
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
    within,
)
from kakusan.pipeline import compatible
from kakusan.pipeline.asked import asked, negative_or_embeds, texts_or_embeds
from kakusan.pipeline.bars import progress_bar
from kakusan.pipeline.callbacks import CallbackSteering, StepCallback
from kakusan.pipeline.checker import is_function
from kakusan.pipeline.drawing import Drawing, Steerings
from kakusan.pipeline.image_processor import OUTPUT_TYPES, VaeImageProcessor
from kakusan.pipeline.loading import CONSTRUCTION, MOVING, Loading
from kakusan.pipeline.model import Model
from kakusan.pipeline.output import Picture, StableDiffusionPipelineOutput
from kakusan.pipeline.parts import (
    CLASSES,
    DRAWN_BY,
    INDEX,
    check_complete,
    corrected,
    read_defaults,
    save_parts,
)
from kakusan.pipeline.preview import LatentPreview
from kakusan.pipeline.progress import OnProgress, Told
from kakusan.pipeline.running import (
    OfTheCall,
    RunningCall,
    callback_of,
    check_between_calls,
    interrupt_calls,
    running,
    set_rescale,
    set_scale,
)
from kakusan.pipeline.understood import say_understood
from kakusan.request import Request
from kakusan.runtime.precision import asked_dtype, parse_dtype
from kakusan.sampling import Step
from kakusan.schedulers import Generators, Scheduler
from kakusan.text import CLIPTokenizer, Understanding
from kakusan.vocabulary import REFERENCE

STOPPED = "stopped before its last step"


class _WithNamesToCome(type):
    """Answers for well-known names of the class that come later, see `kakusan.later`."""

    def __getattr__(cls, name: str) -> Any:
        raise missing_attribute(cls.__name__, name, dir(cls))


class StableDiffusionPipeline(Sendable, metaclass=_WithNamesToCome):
    """Text to picture by latent diffusion (arXiv:2112.10752).

    The parts are public and may be exchanged between calls (`pipe.scheduler = ...`). A call keeps
    no state in the pipeline, so one pipeline serves many threads.

    Attributes:
        guidance_scale, guidance_rescale, do_classifier_free_guidance: of the next step of this
            thread's call, or of its last one. Inside `callback_on_step_end`, a new
            `_guidance_scale` or `_guidance_rescale` acts from the next step on.
        num_timesteps, clip_skip: of this thread's call.
        interrupt: whether this thread's call is to stop. `_interrupt = True` stops it after its
            step, and decodes what there is; from another thread it stops all that run.
    """

    guidance_scale = OfTheCall(lambda call: call.guidance.scale)
    guidance_rescale = OfTheCall(lambda call: call.guidance.rescale)
    do_classifier_free_guidance = OfTheCall(lambda call: call.guidance.on)
    num_timesteps = _num_timesteps = OfTheCall(lambda call: call.num_timesteps)
    clip_skip = _clip_skip = OfTheCall(lambda call: call.clip_skip)
    cross_attention_kwargs = _cross_attention_kwargs = OfTheCall(lambda _: None)
    interrupt = OfTheCall(lambda call: call.interrupt)
    _interrupt = OfTheCall(lambda call: call.interrupt, interrupt_calls)
    _guidance_scale = OfTheCall(lambda call: call.guidance.scale, set_scale)
    _guidance_rescale = OfTheCall(lambda call: call.guidance.rescale, set_rescale)

    encode_prompt = compatible.encode_prompt
    _encode_prompt = compatible.encode_prompt_together
    prepare_latents = compatible.prepare_latents
    prepare_extra_step_kwargs = compatible.prepare_extra_step_kwargs
    check_inputs = compatible.check_inputs
    decode_latents = compatible.decode_latents
    run_safety_checker = compatible.run_safety_checker
    register_modules = compatible.register_modules
    register_to_config = compatible.register_to_config
    progress_bar = compatible.progress_bar
    numpy_to_pil = staticmethod(VaeImageProcessor.numpy_to_pil)
    enable_vae_slicing = compatible.enable_vae_slicing
    disable_vae_slicing = compatible.disable_vae_slicing
    enable_vae_tiling = compatible.enable_vae_tiling
    disable_vae_tiling = compatible.disable_vae_tiling
    upcast_vae = compatible.upcast_vae
    enable_attention_slicing = set_attention_slice = compatible.enable_attention_slicing
    disable_attention_slicing = compatible.disable_attention_slicing
    enable_xformers_memory_efficient_attention = compatible.enable_xformers
    disable_xformers_memory_efficient_attention = compatible.disable_xformers
    set_use_memory_efficient_attention_xformers = compatible.set_xformers
    fuse_qkv_projections = compatible.fuse_qkv_projections
    unfuse_qkv_projections = compatible.unfuse_qkv_projections
    hf_device_map = None

    def __init__(
        self,
        vae: AutoencoderKL | None,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        scheduler: Scheduler[Any] | None,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        **published: Any,
    ) -> None:
        """Put parts together.

        Args:
            published: What the reference takes besides and changes nothing here.

        Raises:
            RequestError: A part is not what it stands for, or does not fit another.
        """
        check_published(type(self).__name__, published, CONSTRUCTION, CLASSES)
        # They are there as a rule; what needs one that is None says so
        self.vae = cast(AutoencoderKL, vae)
        self.text_encoder = cast(CLIPTextModel, text_encoder)
        self.tokenizer = cast(CLIPTokenizer, tokenizer)
        self.unet = cast(UNet2DConditionModel, unet)
        self.safety_checker = safety_checker
        self.feature_extractor = feature_extractor
        self.scheduler = cast("Scheduler[Any]", scheduler)
        check_complete(self.components)
        if scheduler is not None:
            self.scheduler = corrected(scheduler)
        self.source: Source | None = None
        self.variant: str | None = None
        self._loaded: dict[str, object] = {}
        self._own_scheduler: Scheduler[Any] | None = None
        self.defaults: dict[str, Any] = {}
        self._progress: dict[str, Any] = {}
        self._preview: tuple[AutoencoderKL, LatentPreview] | None = None
        self._placement = Placement()

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
        **parts: Any,
    ) -> Self:
        """Load "builtin", a folder, or a Hub id, in the published layout.

        Args:
            torch_dtype: How weights are stored; float32 where not given, "auto" as the files have
                them; by part, with "default" for the others, where that is a mapping.
            dtype: Its newer name.
            variant: Such as "fp16", for the parts that have it; the others are plain.
            use_safetensors: False takes `.bin` weights, True refuses them, None prefers
                safetensors.
            device_map: A device to place it on; "auto" and "balanced" are the best one here.
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
            **parts,
        )
        return cls.from_source(loading.locate(pretrained_model_name_or_path), loading)

    @classmethod
    def from_source(cls, source: Source, loading: Loading) -> Self:
        """Load a model that was located.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
        """
        parts, given = loading.read(source.folder), loading.parts
        pipe = cls(**parts)
        pipe.source, pipe.variant = source, loading.weights.variant
        pipe._loaded = {part: parts[part] for part in DRAWN_BY if part not in given}
        pipe._own_scheduler = None if "scheduler" in given else pipe._scheduler
        pipe.defaults = read_defaults(source.folder)
        return pipe if loading.device is None else pipe.to(loading.device)

    @classmethod
    def from_pipe(
        cls,
        pipeline: "StableDiffusionPipeline",
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
        if not isinstance(pipeline, StableDiffusionPipeline):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise RequestError(
                f"{cls.__name__}.from_pipe takes a pipeline of kakusan, not {kind_of(pipeline)}"
            )
        where = f"{cls.__name__}.from_pipe"
        given = {part: value for part, value in parts.items() if part in CLASSES}
        rest = {name: value for name, value in parts.items() if name not in CLASSES}
        check_published(where, rest, CONSTRUCTION, (*CLASSES, "torch_dtype", "dtype"))
        made = cls(**{**pipeline.components, **given})
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
        if is_function(self.safety_checker):
            raise RequestError("a function as safety checker cannot be saved; take it out first")
        what, folder = type(self).__name__, Path(save_directory)
        upload = upload_asked(f"{what}.save_pretrained", push_to_hub, folder, options)
        weights = {
            "variant": variant,
            "safe_serialization": safe_serialization,
            "max_shard_size": shard_bytes(max_shard_size),
        }

        def write(stage: Path) -> None:
            save_parts(stage, self.components, self.defaults, weights)

        save_whole(folder, INDEX, write, upload, what)

    def __getattr__(self, name: str) -> Any:
        if name in dir(type(self)):  # a property of ours that failed: its own error
            return object.__getattribute__(self, name)
        raise missing_attribute(type(self).__name__, name, dir(self))

    @property
    def components(self) -> dict[str, Any]:
        """The parts by name; an absent optional one is None."""
        return {part: getattr(self, part) for part in CLASSES}

    @property
    def config(self) -> compatible.PipelineConfig:
        """The class names of the parts, by key or as attributes."""
        return compatible.config_of(self)

    @property
    def name_or_path(self) -> str | None:
        """Where the pipeline was loaded from."""
        return None if self.source is None else self.source.name

    @property
    def vae_scale_factor(self) -> int:
        """Pixels along one side of a latent."""
        return self.vae.scale_factor

    @property
    def image_processor(self) -> VaeImageProcessor:
        """Turns pictures into what the VAE takes, and back."""
        return VaeImageProcessor(vae_scale_factor=self.vae_scale_factor)

    @property
    def own_source(self) -> Source | None:
        """Where the parts that decide a picture come from; None if one was exchanged."""
        own = all(self._loaded.get(part) is within(getattr(self, part)) for part in DRAWN_BY)
        return self.source if own else None

    @property
    def has_own_scheduler(self) -> bool:
        """Whether the scheduler is the one of the model's folder."""
        return self._scheduler is self._own_scheduler

    @property
    def engine(self) -> Engine:
        """The networks as they are now, ready to compute; see `kakusan.engine`."""
        checker = None if is_function(self.safety_checker) else self.safety_checker
        return Engine(self.unet, self.vae, self.text_encoder, checker, self._placement)

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.engine.device

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
        if name in CLASSES:
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

    def encode_texts(self, texts: Sequence[str], clip_skip: int | None = None) -> Tensor:
        """Text embeddings (len(texts), 77, d), see `kakusan.conditioning`."""
        tokenizer = present("tokenizer", self.tokenizer)
        encoded, _ = encode_texts(texts, tokenizer, self.engine, clip_skip)
        say_understood([Understanding.of(text, tokenizer) for text in texts], self._name)
        return encoded.tokens

    def decode(self, latents: Tensor) -> Tensor:
        """Pixels (b, 3, height, width) in about [-1, 1] of latents as the loop has them."""
        return self.engine.decode(latents).result

    def decode_to_pil(self, latents: Tensor) -> list[Image]:
        """Pictures of latents, not yet seen by the safety checker."""
        return to_pil(self.decode(latents))

    def preview(self, latents: Tensor) -> list[Image]:
        """Small pictures of latents without the VAE, see `Step.preview`."""
        vae = present("vae", self.vae)
        if self._preview is None or self._preview[0] is not vae:
            with self._placement.use(vae):
                self._preview = (vae, LatentPreview(vae))
        return self._preview[1](latents)

    def stream(
        self,
        prompt: str | Sequence[str] | Request | None = None,
        *,
        batch_size: int = 1,
        steering: Steerings | None = None,
        **settings: Any,
    ) -> Iterator[Step]:
        """Yield every Step of each picture of a generation.

        What the reader does not take is not computed: stop reading, and the work stops.

        Args:
            prompt: A request, or the texts of one, which `settings` complete as in a call.
            batch_size: How many pictures with a seed go through the networks together; their steps
                take turns.
            steering: Makes what steers the trajectory of the pictures with these numbers, see
                `kakusan.sampling.Steering`.

        Raises:
            RequestError: At once, if anything of the arguments does not fit.
        """
        drawing = self.prepared(*asked(prompt, settings), batch_size, decoded=False)
        batches = drawing.batches(steering)
        return (step for batch in batches for step in drawing.steps(batch))

    def pictures(
        self,
        prompt: str | Sequence[str] | Request | None = None,
        *,
        batch_size: int = 1,
        steering: Steerings | None = None,
        **settings: Any,
    ) -> Iterator[Picture]:
        """Yield each picture as soon as it is finished; the arguments are those of `stream`.

        Raises:
            RequestError: At once, if anything of the arguments does not fit.
        """
        return self.drawn(self.prepared(*asked(prompt, settings), batch_size), steering)

    def drawn(
        self,
        drawing: Drawing,
        steering: Steerings | None = None,
        tell: OnProgress | None = None,
    ) -> Iterator[Picture]:
        """Yield each picture of what `prepared` gave, as soon as it is finished.

        Args:
            tell: is told how far it has come, in place of a bar.
        """
        with self._bar(drawing, tell) as bar:
            for batch in drawing.batches(steering, watched=False):
                _follow(drawing.steps(batch), bar)
                yield from drawing.pictures(batch)

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        *,
        guidance_rescale: float = 0.0,
        clip_skip: int | None = None,
        quality_budget: float | None = None,
        reuse_interval: int | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        callback: Callable[..., Any] | None = None,
        callback_steps: int | None = None,
        **unknown: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw pictures of `prompt`.

        Args:
            prompt: One text or several; `prompt_embeds` (prompts, n, d) can stand in its place.
            height, width: Multiples of 8; the model's own where not given.
            num_inference_steps: 50, or what the model's folder says is good for it.
            guidance_scale: 7.5, or what the model's folder says; no guidance at 1 or below.
            generator: One for all pictures, or a list with one a picture, as in the reference.
            quality_budget: Faster within a loss: the least PSNR in dB against the exact picture, as
                it was measured on the built-in model (`kakusan.quality`). None is exact. It chooses
                scheduler and steps, so that naming steps beside it is an error.
            reuse_interval: Every so many calls the whole UNet is computed, those between reuse most
                of it; 1 is exact.
            seed: In its place: picture i is drawn from seed + i, the same alone or beside others.
            batch_size: How many pictures with a `seed` go through the networks together; more
                than one at a time may differ by a rounding from each alone.
            output_type: "pil", "np" (n, h, w, 3), "pt" (n, 3, h, w), both in [0, 1], "latent".
            return_dict: False for a plain (images, flags).
            callback_on_step_end: Called as (pipe, index, timestep, tensors) after every step. What
                it changes of the tensors, in place or in the mapping that it returns, goes on
                ("prompt_embeds" has the unconditional half first under guidance), and so does a new
                `pipe._guidance_scale`; `pipe._interrupt = True` stops the run, and what was begun
                is decoded.
            callback_on_step_end_tensor_inputs: Which tensors it is shown.
            callback, callback_steps: Its older form, called as (index, timestep, latents) after
                every so many steps.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        REFERENCE.check_known(without_later(unknown))
        if isinstance(prompt, Request):
            raise ArgumentError("{prompt} is a request; pipe.pictures(request) draws it")
        if output_type not in OUTPUT_TYPES:
            raise ArgumentError(
                "there is no {output_type} {0!r}.{1}",
                output_type,
                nearest(str(output_type), OUTPUT_TYPES),
            )
        if callback is not None and callback_on_step_end is not None:
            raise ArgumentError("give {callback_on_step_end} or the older {callback}, not both")
        older = StepCallback.of_old(callback, callback_steps)
        newer = StepCallback.of(callback_on_step_end, callback_on_step_end_tensor_inputs)
        inputs = Inputs(
            generator=generator,
            latents=latents,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
        )
        request = Request.of(
            texts_or_embeds("prompt", prompt, prompt_embeds),
            negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
            height=height,
            width=width,
            num_inference_steps=num_inference_steps,
            timesteps=timesteps,
            sigmas=sigmas,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            num_images_per_prompt=num_images_per_prompt,
            eta=eta,
            seed=seed,
            clip_skip=clip_skip,
            quality_budget=quality_budget,
            reuse_interval=reuse_interval,
        )
        drawing = self.prepared(request, inputs, batch_size, decoded=output_type != "latent")
        output = self._output(drawing, newer or older, output_type)
        return output if return_dict else output.to_tuple()

    def prepared(
        self, request: Request, inputs: Inputs, batch_size: int = 1, *, decoded: bool = True
    ) -> Drawing:
        """A request made ready to be drawn: all was checked that can be before a network runs.

        Args:
            decoded: Whether its latents are to become pictures.

        Raises:
            RequestError: Anything of it does not fit.
        """
        checker = self.safety_checker
        is_network = not is_function(checker)
        check_complete(self.components | ({} if is_network else {"safety_checker": None}))
        if decoded:
            present("vae", self.vae)
        engine = self.engine
        if not request.safety_checker:
            engine.safety_checker = None
        model = Model(
            engine=engine,
            tokenizer=self.tokenizer,
            scheduler=present("scheduler", self._scheduler),
            feature_extractor=self.feature_extractor,
            view=self,
            defaults=self.defaults,
            source=self.source,
            variant=self.variant,
            is_whole=self.own_source is not None,
            scheduler_is_own=self.has_own_scheduler,
            checker=checker if is_function(checker) and request.safety_checker else None,
        )
        drawing = Drawing(model, request, inputs, batch_size)
        if decoded:
            drawing.check_memory()
        say_understood(drawing.understood, self._name)
        engine.prepare()
        return drawing

    @property
    def _name(self) -> str | None:
        return None if self.source is None else self.source.name

    def _output(
        self, drawing: Drawing, callback: StepCallback | None, output_type: str
    ) -> StableDiffusionPipelineOutput:
        """Draw all pictures, as the caller wants to have them."""
        latent = output_type == "latent"
        finished: list[tuple[Tensor, list[bool] | None]] = []

        call = RunningCall(drawing.guidance, drawing.request.clip_skip, drawing.scheduler)

        def steering(_pictures: range) -> list[CallbackSteering]:
            if callback is None:
                return []
            timesteps = drawing.scheduler.timesteps
            return [CallbackSteering(callback, self, call, timesteps, drawing.altered)]

        try:
            with running(self, call), self._bar(drawing) as bar:
                for batch in drawing.batches(steering, watched=callback is not None):
                    if not _follow(drawing.steps(batch), bar, call, len(batch.trajectories)):
                        drawing.altered.update(dict.fromkeys(batch.pictures, STOPPED))
                    done = (drawing.latents(batch), None) if latent else drawing.finish(batch)
                    finished.append(done)
                    if call.interrupt:
                        break
        except KeyboardInterrupt:
            images = [] if latent else [each for pixels, _ in finished for each in to_pil(pixels)]
            raise GenerationInterrupted(images) from None
        images = _converted(torch.cat([tensor for tensor, _ in finished]), output_type)
        flags = [flag for _, some in finished for flag in some or ()] or None
        records = [drawing.record(index) for index in range(len(images))]
        return StableDiffusionPipelineOutput(images, flags, records)

    def _bar(self, drawing: Drawing, tell: OnProgress | None = None) -> "tqdm[Any] | Told":
        if tell is not None:
            together = drawing.request.seed is None
            pictures = 1 if together else drawing.request.num_pictures
            return Told(tell, drawing.total_steps, pictures)
        return progress_bar(**{"total": drawing.total_steps, **self._progress})


def _follow(
    steps: Iterator[Step],
    bar: "tqdm[Any] | Told",
    call: RunningCall | None = None,
    ways: int = 1,
) -> bool:
    """Read all steps of so many ways, and count them; backwards where one began again.

    Returns:
        False if the call was interrupted from elsewhere, once each way had taken a step.
    """
    done: dict[int, int] = {}
    for step in steps:
        which = step.pictures.start
        bar.update(step.index + 1 - done.get(which, 0))
        done[which] = step.index + 1
        if call is not None and call.interrupt and len(done) == ways and not step.is_last:
            return False
    return True


def _converted(tensor: Tensor, output_type: str) -> Any:
    if output_type == "latent":
        return tensor
    if output_type == "pt":
        return to_unit_range(tensor)
    return to_numpy(tensor) if output_type == "np" else to_pil(tensor)
