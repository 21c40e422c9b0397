"""StableDiffusionPipeline: a prompt in, pictures out, as users of the reference library call it."""

import threading
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from PIL.Image import Image
from torch import Tensor
from tqdm.auto import tqdm

from kakusan.checkpoints.source import Source, locate
from kakusan.errors import GenerationInterrupted, RequestError, check_no_unknown, nearest
from kakusan.generation import Step, StepChange, Widening
from kakusan.images import to_numpy, to_pil, to_unit_range
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
)
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.given import Given
from kakusan.pipeline.loop_unet import (
    AcceleratedUNet,
    LoopUNet,
    OffloadedUNet,
    accelerated,
    check_acceleration,
)
from kakusan.pipeline.output import Picture, StableDiffusionPipelineOutput
from kakusan.pipeline.parts import (
    CLASSES,
    DRAWN_BY,
    WITH_WEIGHTS,
    check_complete,
    load_parts,
    read_defaults,
    save_parts,
)
from kakusan.pipeline.preview import LatentPreview
from kakusan.pipeline.prompts import encode_texts, texts_or_embeds
from kakusan.pipeline.run import Batch, Run
from kakusan.request import Request
from kakusan.runtime.device import parse_device
from kakusan.runtime.offload import Offload
from kakusan.runtime.precision import parse_dtype
from kakusan.schedulers import Generators, Scheduler
from kakusan.text import CLIPTokenizer

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


class StableDiffusionPipeline:
    """Text to picture by latent diffusion (arXiv:2112.10752).

    The parts are public and may be exchanged between calls (`pipe.scheduler = ...`). A call keeps
    no state in the pipeline, so one pipeline serves many threads.
    """

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: CLIPTextModel,
        tokenizer: CLIPTokenizer,
        unet: UNet2DConditionModel,
        scheduler: Scheduler[Any],
        safety_checker: StableDiffusionSafetyChecker | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
    ) -> None:
        self.vae = vae
        self.text_encoder = text_encoder
        self.tokenizer = tokenizer
        self.unet = unet
        self.safety_checker = safety_checker
        self.feature_extractor = feature_extractor
        self.scheduler = scheduler
        check_complete(self.components)
        # Published v1 configs of the first days lack these two; every release was made with them
        self.scheduler = scheduler.from_config(
            scheduler.config, **_corrections(dict(scheduler.config))
        )
        self.source: Source | None = None
        self.variant: str | None = None
        self._loaded: dict[str, object] = {}
        self._own_scheduler: Scheduler[Any] | None = None
        self.defaults: dict[str, Any] = {}
        self._progress: dict[str, Any] = {}
        self._call = threading.local()
        self._preview: tuple[AutoencoderKL, LatentPreview] | None = None
        self._offload: Offload | None = None
        self._acceleration: str | None = None
        self._accelerated: AcceleratedUNet | None = None

    @classmethod
    def from_pretrained(
        cls,
        name: str | PathLike[str],
        *,
        torch_dtype: torch.dtype | str | None = None,
        revision: str | None = None,
        variant: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | PathLike[str] | None = None,
        local_files_only: bool = False,
        use_safetensors: bool | None = None,
        **parts: Any,
    ) -> Self:
        """Load "builtin", a folder, or a Hub id, in the published layout.

        Args:
            torch_dtype: How weights are kept; float32 where not given.
            parts: Ready parts by name (`scheduler=`, `vae=`, ...) in place of the folder's;
                `safety_checker=None` goes without it.

        Raises:
            CheckpointError: A file is missing, broken, or not what it claims to be.
            UnknownArgumentError: An argument that does not exist.
        """
        check_no_unknown("from_pretrained", set(parts) - set(CLASSES), {*CLASSES, *_LOADING})
        dtype = torch.float32 if torch_dtype is None else parse_dtype(torch_dtype)
        given = set(parts)
        source = locate(
            name,
            revision=revision,
            variant=variant,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            use_safetensors=use_safetensors,
            without=parts,
        )
        weights = {"torch_dtype": dtype, "variant": variant, "use_safetensors": use_safetensors}
        parts = load_parts(source.folder, parts, weights)
        pipe = cls(**parts)
        pipe.source, pipe.variant = source, variant
        pipe._loaded = {part: parts[part] for part in DRAWN_BY if part not in given}
        pipe._own_scheduler = None if "scheduler" in given else pipe.scheduler
        pipe.defaults = read_defaults(source.folder)
        return pipe

    def save_pretrained(self, folder: str | PathLike[str], *, variant: str | None = None) -> None:
        """Write every part in the published layout; the reference library loads it again.

        Raises:
            OutputError: The folder cannot be written, or the disk is full.
        """
        save_parts(Path(folder), self.components, self.defaults, variant)

    @property
    def components(self) -> dict[str, Any]:
        """The parts by name; an absent optional one is None."""
        return {part: getattr(self, part) for part in CLASSES}

    @property
    def own_source(self) -> Source | None:
        """Where the parts that decide a picture come from; None if one was exchanged."""
        own = all(self._loaded.get(part) is getattr(self, part) for part in DRAWN_BY)
        return self.source if own else None

    @property
    def has_own_scheduler(self) -> bool:
        """Whether the scheduler is the one of the model's folder."""
        return self.scheduler is self._own_scheduler

    @property
    def device(self) -> torch.device:
        """Where the networks compute."""
        return self.unet.device if self._offload is None else self._offload.device

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    def to(self, *targets: str | torch.device | torch.dtype) -> Self:
        """Keep every network's weights in another dtype, or move them to a device, or both.

        A device ends `enable_model_cpu_offload`.

        Raises:
            RequestError: There is no such device on this machine.
        """
        dtypes = [parse_dtype(target) for target in targets if isinstance(target, torch.dtype)]
        devices = [parse_device(t) for t in targets if not isinstance(t, torch.dtype)]
        if devices:
            self._offload = None
            for part in self._networks():  # what a CPU computes in is not for another device
                part.to(part.kept_dtype)
        for target in (*dtypes, *devices):  # cast first: there is less to move then, and to hold
            for part in self._networks():
                part.to(target)
        return self

    def enable_model_cpu_offload(
        self, gpu_id: int | None = None, device: str | torch.device = "cuda"
    ) -> None:
        """Hold at most one network in the GPU's memory; the others wait in the CPU's.

        Raises:
            RequestError: There is no such GPU here, or `accelerate` was called before.
        """
        where = parse_device(device if gpu_id is None else f"cuda:{gpu_id}")
        if where.type != "cuda":
            raise RequestError(
                f"enable_model_cpu_offload moves networks between the CPU and a CUDA device, not "
                f"{where}; leave it out"
            )
        if self._acceleration is not None:
            raise RequestError(
                "a recording needs weights that stay on the device; call accelerate(None) before "
                "enable_model_cpu_offload"
            )
        self.to("cpu")
        self._offload = Offload(where)

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
        if by is not None:
            check_acceleration(by, self.device, offloaded=self._offload is not None)
        self._acceleration, self._accelerated = by, None
        return self

    @property
    def loop_unet(self) -> UNet2DConditionModel | LoopUNet:
        """What the loop calls: the UNet, or what makes its calls cheaper."""
        if self._offload is not None:
            return OffloadedUNet(self.unet, self._offload)
        if self._acceleration is None or self.device.type != "cuda":
            return self.unet
        if self._accelerated is None or self._accelerated.unet is not self.unet:
            self._accelerated = accelerated(self.unet, self._acceleration)
        return self._accelerated

    def _networks(self) -> list[Any]:
        parts = (getattr(self, part) for part in sorted(WITH_WEIGHTS))
        return [part for part in parts if part is not None]

    def _used(self, part: torch.nn.Module) -> AbstractContextManager[None]:
        """Has `part` on the device meanwhile, where parts take turns there."""
        return nullcontext() if self._offload is None else self._offload.use(part)

    def set_progress_bar_config(self, **options: Any) -> None:
        """Pass `options` (`disable=True`, `desc=...`) to the tqdm bar of every later call."""
        self._progress = options

    @property
    def _interrupt(self) -> bool:
        """Set to True inside `callback_on_step_end` to stop there and decode what there is."""
        return getattr(self._call, "stop", False)

    @_interrupt.setter
    def _interrupt(self, stop: bool) -> None:
        self._call.stop = stop

    def full_size(self, height: int | None, width: int | None) -> dict[str, int]:
        """Height and width with the model's own in place of None.

        Raises:
            RequestError: Not a multiple of the VAE's factor.
        """
        factor, own = self.vae.scale_factor, self.unet.config.sample_size * self.vae.scale_factor
        size = {"height": height or own, "width": width or own}
        for name, value in size.items():
            if value % factor:
                raise RequestError(f"{name} must be a multiple of {factor}, not {value}")
        return size

    def encode_texts(
        self,
        texts: Sequence[str],
        clip_skip: int | None = None,
        widening: Widening | None = None,
    ) -> Tensor:
        """Text embeddings (len(texts), 77, d), see `kakusan.pipeline.prompts`."""
        widening = widening or Widening()
        with self._used(self.text_encoder):
            return encode_texts(texts, self.tokenizer, self.text_encoder, clip_skip, widening)

    @torch.no_grad()
    def decode(self, latents: Tensor, widening: Widening | None = None) -> Tensor:
        """Pixels (b, 3, height, width) in about [-1, 1] of latents as the loop has them."""
        scaled = latents / self.vae.config.scaling_factor
        widening = widening or Widening()
        with self._used(self.vae):
            return widening.compute("VAE", self.vae, lambda vae: vae.decode(scaled)[0])

    def decode_to_pil(self, latents: Tensor, widening: Widening | None = None) -> list[Image]:
        """Pictures of latents, not yet seen by the safety checker."""
        return to_pil(self.decode(latents, widening))

    def preview(self, latents: Tensor) -> list[Image]:
        """Small pictures of latents without the VAE, see `Step.preview`."""
        if self._preview is None or self._preview[0] is not self.vae:
            with self._used(self.vae):
                self._preview = (self.vae, LatentPreview(self.vae))
        return self._preview[1](latents)

    def stream(
        self, prompt: str | Sequence[str] | None = None, *, batch_size: int = 1, **arguments: Any
    ) -> Iterator[Step]:
        """Yield every Step of a generation; the arguments are those of a call.

        What the reader does not take is not computed: stop reading, and the work stops.

        Raises:
            RequestError: At once, if anything of the arguments does not fit.
        """
        run = self._prepare({"prompt": prompt, **arguments}, batch_size)
        return (step for batch in run.batches() for step in run.steps(batch))

    def pictures(
        self, prompt: str | Sequence[str] | None = None, *, batch_size: int = 1, **arguments: Any
    ) -> Iterator[Picture]:
        """Yield each picture as soon as it is finished; the arguments are those of a call.

        Raises:
            RequestError: At once, if anything of the arguments does not fit.
        """
        return self._drawn(self._prepare({"prompt": prompt, **arguments}, batch_size))

    def _drawn(self, run: Run) -> Iterator[Picture]:
        with self._bar(run) as bar:
            for batch in run.batches():
                pixels, flags = self._finish(run, self._denoise(run, batch, bar, None))
                for index, image in zip(batch.pictures, to_pil(pixels), strict=True):
                    flagged = bool(flags and flags[index - batch.pictures.start])
                    yield Picture(image, run.record(index), flagged)

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
                it was measured on the built-in model (`kakusan.quality`). None is exact. Steps and
                scheduler are kept where they are named, the model's own may be exchanged.
            reuse_interval: Every so many calls of the UNet one is made in full, those between reuse
                most of it; 1 is exact. Where it is given, `quality_budget` changes nothing.
            seed: In its place: picture i is drawn from seed + i, the same alone or beside others.
            batch_size: How many pictures with a `seed` go through the networks together; more
                than one at a time may differ by a rounding from each alone.
            output_type: "pil", "np" (n, h, w, 3), "pt" (n, 3, h, w), both in [0, 1], "latent".
            return_dict: False for a plain (images, flags).
            callback_on_step_end: Called as (pipe, index, timestep, tensors) after every step. The
                mapping it returns may hold new tensors of these names ("prompt_embeds" has the
                unconditional half first under guidance); `pipe._interrupt = True` stops the run,
                and what was begun is decoded.
            callback_on_step_end_tensor_inputs: Which tensors it is shown.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        given = {key: value for key, value in locals().items() if key in _DRAWING}
        check_no_unknown("the pipeline", unknown, _CALL)
        if output_type not in OUTPUT_TYPES:
            raise RequestError(
                f"there is no output_type {output_type!r}.{nearest(str(output_type), OUTPUT_TYPES)}"
            )
        callback = StepCallback.of(callback_on_step_end, callback_on_step_end_tensor_inputs)
        run = self._prepare(given, batch_size)
        finished: list[tuple[Tensor, list[bool] | None]] = []
        try:
            with self._bar(run) as bar:
                for batch in run.batches():
                    final = self._denoise(run, batch, bar, callback)
                    latent = output_type == "latent"
                    finished.append((final, None) if latent else self._finish(run, final))
                    if self._interrupt:
                        break
        except KeyboardInterrupt:
            done = [] if output_type == "latent" else [t for f, _ in finished for t in to_pil(f)]
            raise GenerationInterrupted(done) from None
        images = _converted(torch.cat([tensor for tensor, _ in finished]), output_type)
        flags = [flag for _, some in finished for flag in some or ()] or None
        records = [run.record(index) for index in range(len(images))]
        output = StableDiffusionPipelineOutput(images, flags, records)
        return output if return_dict else output[:2]

    def _prepare(self, arguments: dict[str, Any], batch_size: int) -> Run:
        """Check everything that can be checked before a network runs."""
        check_no_unknown("the pipeline", set(arguments) - _DRAWING, _DRAWING)
        tensors = {name: arguments.pop(name, None) for name in Given.__dataclass_fields__}
        given = Given(**tensors)
        prompt = texts_or_embeds("prompt", arguments.pop("prompt", None), given.prompt_embeds)
        negative = arguments.pop("negative_prompt", None)
        if given.negative_prompt_embeds is not None:
            negative = texts_or_embeds("negative_prompt", negative, given.negative_prompt_embeds)
        schedule = ("num_inference_steps", "timesteps", "sigmas")
        steps_named = any(arguments.get(name) is not None for name in schedule)
        for name in ("num_inference_steps", "guidance_scale"):
            if arguments.get(name) is None:
                arguments[name] = self.defaults.get(name)
        request = Request.of(prompt, negative_prompt=negative, **arguments)
        if type(batch_size) is not int or batch_size < 1:
            raise RequestError(f"batch_size must be a whole number above 0, not {batch_size!r}")
        check_complete(self.components)
        run = Run(self, request, given, batch_size, steps_named)
        if self._offload is None:  # each would be made ready for where it waits
            for part in self._networks():  # broken weights are found before any network runs
                part.prepare()
        return run

    def _bar(self, run: Run) -> "tqdm[Any]":
        options: dict[str, Any] = {"total": run.total_steps, **self._progress}
        return tqdm(**options)

    def _denoise(
        self, run: Run, batch: Batch, bar: "tqdm[Any]", callback: StepCallback | None
    ) -> Tensor:
        """Take all steps of a batch; the last latents (b, c, h, w)."""
        steps = run.steps(batch, watched=callback is not None)
        step, embeddings, done = next(steps), batch.embeddings, 0
        self._interrupt = False
        while True:
            bar.update(step.index + 1 - done)  # backwards where the loop began again
            done = step.index + 1
            change = None
            if callback is not None:
                change = callback(run, step, embeddings)
                embeddings = embeddings if change.embeddings is None else change.embeddings
                if change.alters:
                    run.changed.update(batch.pictures)
                if change.stop or step.is_last:
                    return step.latents if change.latents is None else change.latents
            following = _sent(steps, change)
            if following is None:
                return step.latents
            step = following

    def _finish(self, run: Run, latents: Tensor) -> tuple[Tensor, list[bool] | None]:
        """Pixels in [-1, 1], with what the safety checker flags painted black, and its flags."""
        pixels = self.decode(latents, run.widening)
        if self.safety_checker is None or self.feature_extractor is None:
            return pixels, None
        seen = self.feature_extractor(to_pil(pixels), return_tensors="pt").pixel_values
        with torch.no_grad(), self._used(self.safety_checker):
            _, flags = self.safety_checker(list(pixels), seen.to(self.device))
        pixels[torch.tensor(flags, device=pixels.device)] = -1.0
        return pixels, list(flags)


_LOADING = frozenset(StableDiffusionPipeline.from_pretrained.__annotations__) - {
    "name",
    "parts",
    "return",
}
_DRAWING = frozenset({*Request.__dataclass_fields__, *Given.__dataclass_fields__})
_CALL = frozenset(StableDiffusionPipeline.__call__.__annotations__) - {"return", "unknown"}


def _corrections(config: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {"steps_offset": 1, "clip_sample": False}
    return {key: value for key, value in wanted.items() if config.get(key, value) != value}


def _converted(tensor: Tensor, output_type: str) -> Any:
    if output_type == "latent":
        return tensor
    if output_type == "pt":
        return to_unit_range(tensor)
    return to_numpy(tensor) if output_type == "np" else to_pil(tensor)


def _sent(
    steps: Generator[Step, StepChange | None, None], change: StepChange | None
) -> Step | None:
    try:
        return steps.send(change)
    except StopIteration:
        return None
