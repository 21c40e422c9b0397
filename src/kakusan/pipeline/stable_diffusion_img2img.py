"""StableDiffusionImg2ImgPipeline: from a picture to a picture, as in the reference library."""

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
from kakusan.pipeline.begun import BEGINS_AT, own_size, required_pictures
from kakusan.pipeline.callbacks import StepCallback
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput
from kakusan.pipeline.parts import IMAGE_TO_IMAGE
from kakusan.pipeline.stable_diffusion import OneEncoderPipeline
from kakusan.request import Request
from kakusan.request.choices import Folders
from kakusan.schedulers import Generators
from kakusan.vocabulary import IMAGE_TO_IMAGE as WORDS

STRENGTH = 0.8


class StableDiffusionImg2ImgPipeline(OneEncoderPipeline):
    """From a picture to a picture with Stable Diffusion 1 and 2 (arXiv:2108.01073)."""

    layout = IMAGE_TO_IMAGE
    family = Family(
        name="image-to-image with Stable Diffusion 1 and 2", begins_at=BEGINS_AT, measured=False
    )

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: object = None,
        strength: float | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_images_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: Generators = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        *,
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
        """Draw pictures that begin at others; the rest is as `StableDiffusionPipeline` has it.

        Args:
            image: A picture of PIL's, an array (h, w, 3) or (n, h, w, 3), a tensor (3, h, w) or
                (n, 3, h, w), in [0, 1] or [-1, 1], latents (n, 4, h, w), or a list of such; one for
                each picture that is drawn, or fewer of which each is for as many. The result is as
                large as the first, rounded down to multiples of 8.
            strength: How far to go back towards noise: at 1, nothing of `image` is left; at 0 it
                comes back as the VAE shows it. 0.8 where not given. Of the steps, so large a share
                is taken.
            generator: Draws the latents of `image` from their distribution first, as in the
                reference. Under a `seed`, they are the likeliest ones.

        Raises:
            RequestError: Anything of this does not fit, before any network runs; so does a
                `strength` above 0 that leaves no step.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        WORDS.check_known(without_later(unknown))
        check_no_request(prompt)
        given = required_pictures(image)
        inputs = Inputs(
            generator=generator,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            image=given,
            seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
        )
        request = Request.of(
            texts_or_embeds("prompt", prompt, prompt_embeds),
            negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
            **own_size(given, self.vae_scale_factor),
            strength=STRENGTH if strength is None else strength,
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
        strength: float,
        callback_steps: int | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        prompt_embeds: Tensor | None = None,
        negative_prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        callback_on_step_end_tensor_inputs: Sequence[str] | None = None,
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
        )
