"""What scripts for the reference library call on a pipeline: its parts of a call, and its switches.

Each function is a method of the pipeline, which is its first argument.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from tqdm import tqdm

from kakusan.checkpoints.source import Source
from kakusan.engine import Engine, present
from kakusan.errors import ArgumentError, UnknownNameError, nearest, shown
from kakusan.images import to_numpy, to_pil
from kakusan.inputs import Inputs, seen_pictures
from kakusan.models import UNet2DConditionModel, within
from kakusan.pipeline import bars
from kakusan.pipeline.adapter_strengths import scaled_engine
from kakusan.pipeline.asked import negative_or_embeds, texts_or_embeds
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.checker import checked_by, is_function
from kakusan.pipeline.drawing import Drawing
from kakusan.pipeline.encoding import embedded
from kakusan.pipeline.image_processor import Array, VaeImageProcessor
from kakusan.pipeline.loading import check_settings
from kakusan.pipeline.parts import PARTS, Layout, check_together
from kakusan.pipeline.prompts import ReadsTexts
from kakusan.request import DEFAULT_GUIDANCE, Request
from kakusan.sampling import step_options
from kakusan.schedulers import Generators, Scheduler, draw_noise
from kakusan.text import CLIPTokenizer

Texts = str | Sequence[str] | None


class Pipe(Protocol):
    """What these methods need of the pipeline."""

    vae: Any
    tokenizer: CLIPTokenizer
    unet: UNet2DConditionModel
    source: Source | None
    layout: ClassVar[Layout]
    settings: dict[str, bool]
    _callback_tensor_inputs: ClassVar[Sequence[str]]

    @property
    def scheduler(self) -> Scheduler[Any]: ...
    @property
    def components(self) -> dict[str, Any]: ...
    @property
    def engine(self) -> Engine: ...
    @property
    def name_or_path(self) -> str | None: ...
    @property
    def defaults(self) -> Mapping[str, Any]: ...
    @property
    def device(self) -> torch.device: ...
    @property
    def progress_options(self) -> Mapping[str, Any]: ...
    def decode(self, latents: Tensor) -> Tensor: ...
    def _prompts(
        self, engine: Engine, request: Request, inputs: Inputs, guided: bool
    ) -> ReadsTexts: ...
    def prepared(
        self, request: Request, inputs: Inputs, batch_size: int = 1, *, decoded: bool = True
    ) -> Drawing: ...


class PipelineConfig(Mapping[str, Any]):
    """What a pipeline is made of: class names of its parts, by key or as attributes."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "_values" or name not in self._values:
            raise AttributeError(f"the pipeline's config has no {name!r}")
        return self._values[name]

    def __repr__(self) -> str:
        return f"PipelineConfig({self._values!r})"


def config_of(pipe: Pipe) -> PipelineConfig:
    """The reference's view of a pipeline's parts: (library, class name) of each."""
    parts: dict[str, Any] = {
        name: (None, None) if part is None else PARTS[name].published(part)
        for name, part in pipe.components.items()
    }
    checked = {"requires_safety_checker": parts.get("safety_checker") != (None, None)}
    return PipelineConfig(
        {
            "_class_name": pipe.layout.class_name,
            "_name_or_path": pipe.name_or_path,
            **parts,
            **(checked if "safety_checker" in parts else {}),
            **pipe.settings,
        }
    )


def encode_prompt(
    pipe: Pipe,
    prompt: Texts,
    device: torch.device | str | None = None,
    num_images_per_prompt: int = 1,
    do_classifier_free_guidance: bool = True,
    negative_prompt: Texts = None,
    prompt_embeds: Tensor | None = None,
    negative_prompt_embeds: Tensor | None = None,
    lora_scale: float | None = None,
    clip_skip: int | None = None,
    *,
    prompt_syntax: str | None = None,
    emphasis: str | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Embeddings of prompts and of negative prompts, as a call has them.

    Of the networks, the text encoder alone is needed.

    Args:
        prompt_syntax, emphasis: As in a call. Longer prompts have more tokens then, and empty
            chunks stand behind shorter ones, as a call with `pad_conds=True` has them.

    Returns:
        (pictures, 77, d) each; the second is None without guidance.

    Raises:
        RequestError: Texts and embeddings do not go together.
    """
    request = Request.of(
        texts_or_embeds("prompt", prompt, prompt_embeds),
        negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
        num_images_per_prompt=num_images_per_prompt,
        guidance_scale=DEFAULT_GUIDANCE if do_classifier_free_guidance else 1.0,
        clip_skip=clip_skip,
        prompt_syntax=prompt_syntax,
        emphasis=emphasis,
    )
    inputs = Inputs(prompt_embeds=prompt_embeds, negative_prompt_embeds=negative_prompt_embeds)
    check_together({**pipe.components, "safety_checker": None}, pipe.layout, pipe.settings)
    engine = scaled_engine(pipe, lora_scale)
    found = embedded(pipe, engine, request, inputs, guided=do_classifier_free_guidance)
    where = pipe.device if device is None else device
    negative = None if found.negative is None else found.negative.tokens.to(where)
    return found.text.tokens.to(where), negative


def encode_prompt_together(
    pipe: Pipe,
    prompt: Texts,
    device: torch.device | str | None = None,
    num_images_per_prompt: int = 1,
    do_classifier_free_guidance: bool = True,
    negative_prompt: Texts = None,
    prompt_embeds: Tensor | None = None,
    negative_prompt_embeds: Tensor | None = None,
    lora_scale: float | None = None,
) -> Tensor:
    """The older form of `encode_prompt`: one tensor, with the negative half first."""
    text, negative = encode_prompt(
        pipe,
        prompt,
        device,
        num_images_per_prompt,
        do_classifier_free_guidance,
        negative_prompt,
        prompt_embeds,
        negative_prompt_embeds,
        lora_scale,
    )
    return text if negative is None else torch.cat([negative, text])


def prepare_latents(
    pipe: Pipe,
    batch_size: int,
    num_channels_latents: int,
    height: int,
    width: int,
    dtype: torch.dtype,
    device: torch.device | str,
    generator: Generators,
    latents: Tensor | None = None,
) -> Tensor:
    """The first latents (batch, channels, height/8, width/8), multiplied by `init_noise_sigma`."""
    if latents is None:
        factor = pipe.vae.scale_factor
        shape = (batch_size, num_channels_latents, int(height) // factor, int(width) // factor)
        latents = draw_noise(shape, generator, dtype=dtype, device=torch.device(device))
    return latents.to(device) * pipe.scheduler.init_noise_sigma


def prepare_extra_step_kwargs(pipe: Pipe, generator: Generators, eta: float) -> dict[str, Any]:
    """The keywords among `eta` and `generator` that the scheduler's `step` takes."""
    return step_options(pipe.scheduler, eta, generator)


def check_inputs(
    pipe: Pipe,
    prompt: Texts,
    height: int,
    width: int,
    callback_steps: int | None = None,
    negative_prompt: Texts = None,
    prompt_embeds: Tensor | None = None,
    negative_prompt_embeds: Tensor | None = None,
    ip_adapter_image: object = None,
    ip_adapter_image_embeds: object = None,
    callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
) -> None:
    """Raise RequestError where a call with these arguments would."""
    seen_pictures(ip_adapter_image, ip_adapter_image_embeds)
    StepCallback.of_old(None, callback_steps)
    known = pipe._callback_tensor_inputs  # pyright: ignore[reportPrivateUsage]
    StepCallback.of(None, callback_on_step_end_tensor_inputs, known)
    request = Request.of(
        texts_or_embeds("prompt", prompt, prompt_embeds),
        negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
        height=height,
        width=width,
    )
    inputs = Inputs(prompt_embeds=prompt_embeds, negative_prompt_embeds=negative_prompt_embeds)
    pipe.prepared(request, inputs)


def decode_latents(pipe: Pipe, latents: Tensor) -> npt.NDArray[np.float32]:
    """Pictures (n, height, width, 3) in [0, 1] of latents as the loop has them."""
    return to_numpy(pipe.decode(latents))


def run_safety_checker(
    pipe: Pipe,
    image: Tensor | Array,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> tuple[Any, list[bool] | None]:
    """Pictures with those that are flagged blackened (0), and the flags; None without a checker.

    Args:
        image: a tensor (n, 3, h, w) in [-1, 1], or an array (n, h, w, 3) in [0, 1].
        device, dtype: where and in what the checker's input is; its own where not given.
    """
    checker, extractor = pipe.components["safety_checker"], pipe.components["feature_extractor"]
    if checker is None:
        return image, None
    if is_function(checker):
        if not isinstance(image, Tensor):
            raise ArgumentError("a function as safety checker takes a tensor of pictures, no array")
        pixels, flags, _ = checked_by(checker, image, extractor)
        return pixels, flags
    shown = to_pil(image) if isinstance(image, Tensor) else VaeImageProcessor.numpy_to_pil(image)
    seen = extractor(shown, return_tensors="pt").pixel_values.to(device or checker.device, dtype)
    if isinstance(image, Tensor):
        return checker(image, seen)
    several, flags = checker(list(image), seen)
    return np.stack(several), flags


def register_modules(pipe: Pipe, **parts: Any) -> None:
    """Put parts in the place of the pipeline's, by name.

    Raises:
        UnknownNameError: A pipeline has no such part.
    """
    for name in parts:
        if name not in pipe.layout.parts:
            raise UnknownNameError(
                f"the pipeline has no part {shown(name)}.{nearest(name, pipe.layout.parts)}"
            )
    for name, part in parts.items():
        setattr(pipe, name, part)


def register_to_config(
    pipe: Pipe,
    *,
    requires_safety_checker: bool = False,  # noqa: ARG001
    **settings: bool,
) -> None:
    """Change what the pipeline's index says, such as `force_zeros_for_empty_prompt` of SDXL.

    Args:
        requires_safety_checker: Changes nothing: a pipeline says so by its parts.

    Raises:
        RequestError: It has no such setting, or the value is not true or false.
    """
    check_settings(pipe.layout, settings)
    check_together(pipe.components, pipe.layout, {**pipe.settings, **settings})
    pipe.settings = {**pipe.settings, **settings}


def progress_bar(pipe: Pipe, iterable: Any = None, total: int | None = None) -> "tqdm[Any]":
    """A bar with what `set_progress_bar_config` said, over something, or to `update` up to `total`.

    Raises:
        RequestError: Neither is given.
    """
    if iterable is None and total is None:
        raise ArgumentError("give progress_bar an iterable, or total")
    options: dict[str, Any] = {"iterable": iterable, "total": total, **pipe.progress_options}
    return bars.progress_bar(**options)


def enable_vae_slicing(pipe: Pipe) -> None:
    """Decode one picture of a batch at a time: less memory."""
    pipe.vae.enable_slicing()


def disable_vae_slicing(pipe: Pipe) -> None:
    """Decode whole batches, where there is memory for them."""
    pipe.vae.disable_slicing()


def enable_vae_tiling(pipe: Pipe) -> None:
    """Decode pictures larger than the VAE was trained on in overlapping tiles, always."""
    pipe.vae.enable_tiling()


def disable_vae_tiling(pipe: Pipe) -> None:
    """Decode whole pictures, where there is memory for them."""
    pipe.vae.disable_tiling()


def enable_freeu(pipe: Pipe, s1: float, s2: float, b1: float, b2: float) -> None:
    """Have the UNet weigh what its way up is made of, see `UNet2DConditionModel.enable_freeu`."""
    within(present("unet", pipe.unet)).enable_freeu(s1, s2, b1, b2)


def disable_freeu(pipe: Pipe) -> None:
    """Draw without FreeU again."""
    within(present("unet", pipe.unet)).disable_freeu()


def upcast_vae(pipe: Pipe) -> None:
    """Store the VAE's weights in float32."""
    pipe.vae.to(torch.float32)


def enable_attention_slicing(pipe: Pipe, slice_size: str | int | None = "auto") -> None:
    """Nothing: attention is computed without holding its whole matrix."""


def disable_attention_slicing(pipe: Pipe) -> None:
    """Nothing: see `enable_attention_slicing`."""


def enable_xformers(pipe: Pipe, attention_op: object = None) -> None:
    """Nothing: attention is computed without holding its whole matrix."""


def disable_xformers(pipe: Pipe) -> None:
    """Nothing: see `enable_xformers`."""


def set_xformers(pipe: Pipe, valid: bool, attention_op: object = None) -> None:
    """Nothing: see `enable_xformers`."""


def fuse_qkv_projections(pipe: Pipe, unet: bool = True, vae: bool = True) -> None:
    """Nothing: which projections are computed together is decided by what is fast."""


def unfuse_qkv_projections(pipe: Pipe, unet: bool = True, vae: bool = True) -> None:
    """Nothing: see `fuse_qkv_projections`."""
