"""LatentConsistencyModelPipeline: a prompt to pictures in a few steps (arXiv:2310.04378)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from kakusan.errors import ArgumentError, check_no_unknown
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
from kakusan.pipeline.output import StableDiffusionPipelineOutput
from kakusan.pipeline.parts import LATENT_CONSISTENCY
from kakusan.pipeline.shown_tensors import DISTILLED, TENSORS
from kakusan.pipeline.stable_diffusion import StableDiffusionPipeline
from kakusan.request import Request
from kakusan.request.choices import Folders
from kakusan.schedulers import Generators
from kakusan.vocabulary import REFERENCE

# Of whose timesteps a run's are chosen
ORIGINAL = "original_inference_steps"
# What a call of StableDiffusionPipeline takes, and this one does not
_NOT_HERE = frozenset({"eta", "guidance_rescale", "quality_budget", "sigmas"})


class LatentConsistencyModelPipeline(StableDiffusionPipeline):
    """Text to picture with a UNet that was distilled under guidance, which it is told.

    `StableDiffusionPipeline` draws the same with it. Here calls have the reference's arguments.
    """

    layout = LATENT_CONSISTENCY
    _callback_tensor_inputs = (*TENSORS, *DISTILLED)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]  # as the reference's
        self,
        prompt: str | Sequence[str] | None = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int | None = 1,
        generator: Generators = None,
        latents: Tensor | None = None,
        prompt_embeds: Tensor | None = None,
        ip_adapter_image: object = None,
        ip_adapter_image_embeds: object = None,
        *,
        negative_prompt: str | Sequence[str] | None = None,
        negative_prompt_embeds: Tensor | None = None,
        clip_skip: int | None = None,
        prompt_syntax: str | None = None,
        emphasis: str | None = None,
        pad_conds: bool | str | None = None,
        old_timelines: bool | None = None,
        wildcards: Folders = None,
        reuse_interval: int | None = None,
        cross_attention_kwargs: Mapping[str, Any] | None = None,
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
        """Draw pictures of `prompt`; what is not below is as in `StableDiffusionPipeline`.

        Args:
            num_inference_steps: 4, or what the model's folder says is good for it.
            original_inference_steps: Of how many timesteps those of the run are chosen; what the
                scheduler's config says where not given.
            guidance_scale: 8.5, or what the model's folder says.
            negative_prompt, negative_prompt_embeds: Without effect where the UNet was distilled
                under guidance.
            callback_on_step_end_tensor_inputs: "denoised", the guess of the picture, which may be
                changed at the last step, and "w_embedding", which is only shown, too.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        known = [*(word for word in REFERENCE.words if word not in _NOT_HERE), ORIGINAL]
        check_no_unknown(REFERENCE.where, without_later(unknown), known)
        check_no_request(prompt)
        request = Request.of(
            texts_or_embeds("prompt", prompt, prompt_embeds),
            negative_prompt=negative_or_embeds(negative_prompt, negative_prompt_embeds),
            height=height,
            width=width,
            num_inference_steps=num_inference_steps,
            timesteps=timesteps,
            guidance_scale=guidance_scale,
            num_images_per_prompt=num_images_per_prompt,
            seed=seed,
            clip_skip=clip_skip,
            prompt_syntax=prompt_syntax,
            emphasis=emphasis,
            pad_conds=pad_conds,
            old_timelines=old_timelines,
            reuse_interval=reuse_interval,
            lora_scale=scale_of(cross_attention_kwargs),
            scheduler=self._distilled_in(original_inference_steps),
        )
        inputs = Inputs(
            generator=generator,
            latents=latents,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            seen=seen_pictures(ip_adapter_image, ip_adapter_image_embeds),
        )
        given = StepCallback.of_call(
            callback_on_step_end,
            callback_on_step_end_tensor_inputs,
            callback,
            callback_steps,
            self._callback_tensor_inputs,
        )
        request, inputs = with_choices_made(request, inputs, wildcards)
        return self._called(request, inputs, batch_size, given, output_type, return_dict)

    def _distilled_in(self, steps: int | None) -> dict[str, Any] | None:
        """The config of the pipeline's scheduler, with so many timesteps to choose from."""
        if steps is None:
            return None
        config = self._scheduler.config.to_published()
        if ORIGINAL not in config:
            raise ArgumentError(
                f"{ORIGINAL} is a setting of LCMScheduler and TCDScheduler, and this pipeline has "
                f"{type(self._scheduler).__name__}; leave it out"
            )
        return {**config, ORIGINAL: steps}
