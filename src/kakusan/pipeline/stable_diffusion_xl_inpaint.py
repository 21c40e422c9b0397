"""StableDiffusionXLInpaintPipeline: a part of a picture anew with SDXL, as in the reference."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

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
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionXLPipelineOutput
from kakusan.pipeline.painted import PAINTS, mask_processor, painted_size, required_masks
from kakusan.pipeline.parts import XL_INPAINTING
from kakusan.pipeline.running import OfTheCall
from kakusan.pipeline.shown_tensors import MASKS, XL_BEGUN_TENSORS
from kakusan.pipeline.stable_diffusion_xl import (
    OF_THE_BASE,
    Pair,
    Texts,
    XLPipeline,
    texts_and_zeros,
)
from kakusan.request import DEFAULT_GUIDANCE, Request
from kakusan.request.choices import Folders
from kakusan.request.masks import EXACT
from kakusan.schedulers import Generators, Scheduler
from kakusan.text import CLIPTokenizer
from kakusan.vocabulary import XL_INPAINTING as WORDS

STRENGTH = 0.9999


class StableDiffusionXLInpaintPipeline(XLPipeline):
    """A part of a picture anew with SDXL, of 4 channels or of 9: the base, or the refiner.

    Attributes:
        denoising_start: of this thread's call.
    """

    layout = XL_INPAINTING
    _callback_tensor_inputs = (*XL_BEGUN_TENSORS, *MASKS)
    family = Family(
        name="inpainting with SDXL",
        guidance=DEFAULT_GUIDANCE,
        takes=OF_THE_BASE | {"denoising_start", "aesthetic_score", "negative_aesthetic_score"},
        pooled=True,
        begins_at=PAINTS,
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

    mask_processor = property(mask_processor)

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        image: object = None,
        mask_image: object = None,
        masked_image_latents: Tensor | None = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
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
        mask_blur: float | None = None,
        masked_content: str | None = None,
        soft_mask: bool | None = None,
        outside: str | None = None,
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
        """Draw what is white in `mask_image` anew; else it is as `StableDiffusionXLPipeline`.

        Args:
            image, mask_image, masked_image_latents, padding_mask_crop: As
                `StableDiffusionInpaintPipeline` has them.
            strength: How far to go back from `image` towards noise; 0.9999 where not given. It does
                not count beside `denoising_start`.
            denoising_start: The part of the way at which another model stopped, whose latents are
                given as `image`.
            mask_blur, masked_content, soft_mask, outside: see `kakusan.request.masks`.
            callback_on_step_end_tensor_inputs: As `StableDiffusionInpaintPipeline` has them.
            aesthetic_score, negative_aesthetic_score: Of beauty, from 1 to 10; 6 and 2.5 where not
                given, and not read by the base.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        WORDS.check_known(without_later(unknown))
        check_no_request(prompt)
        with WORDS.spoken():
            given, masks = required_masks(image, mask_image)
            crop = padding_mask_crop
            if outside != EXACT:
                size = painted_size(given, self.engine, height, width, crop)
            else:
                size = dict[str, Any](height=height, width=width, only_masked=crop)
            inputs = Inputs(
                generator=generator,
                latents=latents,
                prompt_embeds=prompt_embeds,
                negative_prompt_embeds=negative_prompt_embeds,
                pooled_prompt_embeds=pooled_prompt_embeds,
                negative_pooled_prompt_embeds=negative_pooled_prompt_embeds,
                image=given,
                mask=masks,
                masked_image_latents=masked_image_latents,
                seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
            )
            request = Request.of(
                **texts_and_zeros(prompt, prompt_2, negative_prompt, negative_prompt_2, inputs),
                **size,
                mask_blur=mask_blur,
                masked_content=masked_content,
                soft_mask=soft_mask,
                outside=outside,
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
