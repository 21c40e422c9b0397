"""StableDiffusionInpaintPipeline: a part of a picture anew, as in the reference library."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from kakusan.inputs import Inputs, seen_pictures
from kakusan.later import without_later
from kakusan.pipeline.adapter_strengths import scale_of
from kakusan.pipeline.asked import (
    check_no_request,
    negative_or_embeds,
    texts_or_embeds,
    with_choices_made,
)
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput
from kakusan.pipeline.painted import (
    PAINTS,
    check_output_type,
    mask_processor,
    painted_size,
    required_masks,
)
from kakusan.pipeline.parts import INPAINTING
from kakusan.pipeline.shown_tensors import MASKS, TENSORS
from kakusan.pipeline.stable_diffusion import OneEncoderPipeline
from kakusan.request import Request
from kakusan.request.choices import Folders
from kakusan.request.masks import EXACT
from kakusan.schedulers import Generators
from kakusan.vocabulary import INPAINTING as WORDS

STRENGTH = 1.0


class StableDiffusionInpaintPipeline(OneEncoderPipeline):
    """A part of a picture anew, with Stable Diffusion 1 and 2, of 4 channels or of 9."""

    layout = INPAINTING
    _callback_tensor_inputs = (*TENSORS, *MASKS)
    family = Family(
        name="inpainting with Stable Diffusion 1 and 2", begins_at=PAINTS, measured=False
    )

    mask_processor = property(mask_processor)

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
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
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        *,
        mask_blur: float | None = None,
        masked_content: str | None = None,
        soft_mask: bool | None = None,
        outside: str | None = None,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
        guidance_rescale: float = 0.0,
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
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw what is white in `mask_image` anew; the rest is as `StableDiffusionPipeline` has it.

        Args:
            image: As `StableDiffusionImg2ImgPipeline` has it; stretched to `height` and `width`,
                which are the model's own where not given.
            mask_image: A picture of PIL's, or an array or tensor (h, w), (1, h, w) or (n, 1, h, w)
                in [0, 1] or of bool; cut off at half. As large as `image`, or at another scale.
            masked_image_latents: What a model that repaints sees, in place of the latents of
                `image` that is grey under the mask.
            padding_mask_crop: Only the part around the mask is drawn, with so many pixels on each
                side, and pasted back into `image` at its own size.
            strength: How far to go back from `image` towards noise; 1 begins at noise alone, and is
                taken where not given.
            latents: The noise that it begins at.
            mask_blur, masked_content, soft_mask, outside: see `kakusan.request.masks`; what they
                do is AUTOMATIC1111's and ComfyUI's.
            callback_on_step_end_tensor_inputs: "mask" and "masked_image_latents" too. Another mask
                acts from the next step on; other latents do where the model takes 9 channels, and
                are refused where it takes 4 and reads none.

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
                image=given,
                mask=masks,
                masked_image_latents=masked_image_latents,
                seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
            )
            request = Request.of(
                texts_or_embeds("prompt", prompt, prompt_embeds),
                negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
                **size,
                strength=STRENGTH if strength is None else strength,
                mask_blur=mask_blur,
                masked_content=masked_content,
                soft_mask=soft_mask,
                outside=outside,
                num_inference_steps=num_inference_steps,
                timesteps=timesteps,
                sigmas=sigmas,
                guidance_scale=guidance_scale,
                guidance_rescale=guidance_rescale,
                lora_scale=scale_of(cross_attention_kwargs),
                num_images_per_prompt=num_images_per_prompt,
                eta=eta,
                seed=seed,
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

    def check_inputs(
        self,
        prompt: str | Sequence[str] | None,
        image: object,
        mask_image: object,
        height: int,
        width: int,
        strength: float,
        callback_steps: int | None = None,
        output_type: str = "pil",
        negative_prompt: str | Sequence[str] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
        padding_mask_crop: int | None = None,
    ) -> None:
        """Raise RequestError where a call with these arguments would."""
        seen_pictures(ip_adapter_image, ip_adapter_image_embeds)
        StepCallback.of_old(None, callback_steps)
        StepCallback.of(None, callback_on_step_end_tensor_inputs, self._callback_tensor_inputs)
        Inputs(prompt_embeds=prompt_embeds, negative_prompt_embeds=negative_prompt_embeds)
        Request.of(
            texts_or_embeds("prompt", prompt, prompt_embeds),
            negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
            strength=strength,
            only_masked=padding_mask_crop,
            **self.engine.full_size(height, width),
        )
        required_masks(image, mask_image)
        check_output_type(output_type)
