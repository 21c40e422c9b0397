"""StableDiffusionXLImg2ImgPipeline: SDXL that begins at pictures or latents, as its refiner."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from kakusan.errors import ArgumentError
from kakusan.inputs import Inputs, seen_pictures
from kakusan.later import without_later
from kakusan.models import (
    AutoencoderKL,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    UNet2DConditionModel,
)
from kakusan.pipeline.adapter_strengths import scale_of
from kakusan.pipeline.asked import check_no_request, with_choices_made
from kakusan.pipeline.begun import BEGINS_AT, own_size, required_pictures
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionXLPipelineOutput
from kakusan.pipeline.parts import STABLE_DIFFUSION_XL_REFINER
from kakusan.pipeline.running import OfTheCall
from kakusan.pipeline.shown_tensors import XL_BEGUN_TENSORS
from kakusan.pipeline.stable_diffusion_xl import (
    GUIDANCE,
    OF_THE_BASE,
    Pair,
    Texts,
    XLPipeline,
    texts_and_zeros,
)
from kakusan.request import Request
from kakusan.request.choices import Folders
from kakusan.schedulers import Generators, Scheduler
from kakusan.text import CLIPTokenizer
from kakusan.vocabulary import REFINER

STRENGTH = 0.3


class StableDiffusionXLImg2ImgPipeline(XLPipeline):
    """SDXL that begins at pictures or latents: the base, or the refiner.

    Attributes:
        denoising_start: of this thread's call.
    """

    layout = STABLE_DIFFUSION_XL_REFINER
    _callback_tensor_inputs = XL_BEGUN_TENSORS
    family = Family(
        name="image-to-image with SDXL",
        guidance=GUIDANCE,
        takes=OF_THE_BASE | {"denoising_start", "aesthetic_score", "negative_aesthetic_score"},
        pooled=True,
        begins_at=BEGINS_AT,
        measured=False,
    )
    denoising_start = _denoising_start = OfTheCall(lambda call: call.denoising_start)

    def __init__(
        self,
        vae: AutoencoderKL | None,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        scheduler: Scheduler[Any] | None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        requires_aesthetics_score: bool = False,
        force_zeros_for_empty_prompt: bool = True,
        **published: Any,
    ) -> None:
        """Put parts together.

        Args:
            requires_aesthetics_score: Whether the UNet is told scores of beauty, as the refiner's.
            force_zeros_for_empty_prompt: Whether no negative prompt is embeddings of zeros, or
                those of an empty text.
            published: What the reference takes besides and changes nothing here.

        Raises:
            RequestError: A part is not what it stands for, or does not fit another.
        """
        parts: dict[str, Any] = {
            "vae": vae,
            "text_encoder": text_encoder,
            "text_encoder_2": text_encoder_2,
            "tokenizer": tokenizer,
            "tokenizer_2": tokenizer_2,
            "unet": unet,
            "scheduler": scheduler,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        settings = {
            "requires_aesthetics_score": requires_aesthetics_score,
            "force_zeros_for_empty_prompt": force_zeros_for_empty_prompt,
        }
        super().__init__(parts, published, settings)

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        image: object = None,
        strength: float | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float | None = None,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        pooled_prompt_embeds: Tensor | None = None,
        negative_pooled_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        *,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        guidance_rescale: float = 0.0,
        original_size: Pair = None,
        crops_coords_top_left: Pair = None,
        target_size: Pair = None,
        negative_original_size: Pair = None,
        negative_crops_coords_top_left: Pair = None,
        negative_target_size: Pair = None,
        aesthetic_score: float | None = None,
        negative_aesthetic_score: float | None = None,
        clip_skip: int | None = None,
        prompt_syntax: str | None = None,
        emphasis: str | None = None,
        pad_conds: bool | str | None = None,
        old_timelines: bool | None = None,
        wildcards: Folders = None,
        reuse_interval: int | None = None,
        seed: int | None = None,
        batch_size: int = 1,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., Any] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = ("latents",),
        callback: Callable[..., Any] | None = None,
        callback_steps: int | None = None,
        **unknown: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures that begin at others; the rest is as `StableDiffusionXLPipeline` has it.

        Args:
            image: As `StableDiffusionImg2ImgPipeline` has it; or latents (pictures, 4, height/8,
                width/8) as the loop has them, such as another pipeline gives with
                `output_type="latent"`.
            strength: How far to go back towards noise, from 0 to 1; 0.3 where not given. It does
                not count beside `denoising_start`.
            denoising_start: The part of the way at which the other model stopped (its
                `denoising_end`); no noise is added then.
            latents: Refused; they are given as `image`.
            aesthetic_score, negative_aesthetic_score: Of beauty, from 1 to 10; 6 and 2.5 where not
                given, and not read by the base.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        REFINER.check_known(without_later(unknown))
        check_no_request(prompt)
        if latents is not None:
            raise ArgumentError("give latents to begin at as {image}, not as {latents}")
        given = required_pictures(image)
        inputs = Inputs(
            generator=generator,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            pooled_prompt_embeds=pooled_prompt_embeds,
            negative_pooled_prompt_embeds=negative_pooled_prompt_embeds,
            image=given,
            seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
        )
        request = Request.of(
            **texts_and_zeros(prompt, prompt_2, negative_prompt, negative_prompt_2, inputs),
            **own_size(given, self.vae_scale_factor),
            num_inference_steps=num_inference_steps,
            timesteps=timesteps,
            sigmas=sigmas,
            denoising_start=denoising_start,
            denoising_end=denoising_end,
            strength=(STRENGTH if strength is None else strength)
            if denoising_start is None
            else None,
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            lora_scale=scale_of(cross_attention_kwargs),
            num_images_per_prompt=num_images_per_prompt,
            eta=eta,
            seed=seed,
            original_size=original_size,
            crops_coords_top_left=crops_coords_top_left,
            target_size=target_size,
            negative_original_size=negative_original_size,
            negative_crops_coords_top_left=negative_crops_coords_top_left,
            negative_target_size=negative_target_size,
            aesthetic_score=aesthetic_score,
            negative_aesthetic_score=negative_aesthetic_score,
            clip_skip=clip_skip,
            prompt_syntax=prompt_syntax,
            emphasis=emphasis,
            pad_conds=pad_conds,
            old_timelines=old_timelines,
            reuse_interval=reuse_interval,
        )
        step = StepCallback.of_call(
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
            callback,
            callback_steps,
            self._callback_tensor_inputs,
        )
        request, inputs = with_choices_made(request, inputs, wildcards)
        return self._called(request, inputs, batch_size, step, output_type, return_dict)
