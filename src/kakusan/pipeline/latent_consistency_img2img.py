"""LatentConsistencyModelImg2ImgPipeline: from a picture to a picture in a few steps."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from kakusan.errors import RequestError
from kakusan.pipeline.few_steps import own_steps
from kakusan.pipeline.output import StableDiffusionPipelineOutput
from kakusan.pipeline.parts import LATENT_CONSISTENCY_IMAGE
from kakusan.pipeline.shown_tensors import DISTILLED, TENSORS
from kakusan.pipeline.stable_diffusion_img2img import STRENGTH, StableDiffusionImg2ImgPipeline
from kakusan.schedulers import Generators
from kakusan.schedulers.consistency import ConsistencyScheduler

_STEPS = 4


class LatentConsistencyModelImg2ImgPipeline(StableDiffusionImg2ImgPipeline):
    """From a picture to a picture with a UNet that was distilled under guidance.

    All steps that are asked for are taken, through the part of the way that `strength` is.
    """

    layout = LATENT_CONSISTENCY_IMAGE
    _callback_tensor_inputs = (*TENSORS, *DISTILLED)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]  # as the reference's
        self,
        prompt: str | Sequence[str] | None = None,
        image: object = None,
        num_inference_steps: int | None = None,
        strength: float | None = None,
        original_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        guidance_scale: float | None = None,
        num_images_per_prompt: int | None = 1,
        generator: Generators = None,
        prompt_embeds: Tensor | None = None,
        **settings: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw pictures that begin at others; the rest is as `StableDiffusionImg2ImgPipeline`.

        Args:
            num_inference_steps: 4, or what the model's folder says is good for it.
            strength: How far to go back towards noise, above 0; 0.8 where not given.
            original_inference_steps: As `LatentConsistencyModelPipeline` has it, and guidance too.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            GenerationInterrupted: Ctrl-C; it carries the pictures that were finished.
        """
        steps = num_inference_steps
        if steps is None and timesteps is None:
            steps = own_steps(self.defaults, _STEPS, begun=True)
        scheduler: object = self._scheduler.fresh()
        if not isinstance(scheduler, ConsistencyScheduler):
            raise RequestError(
                f"{type(self).__name__} draws with LCMScheduler or TCDScheduler, and this one has "
                f"{type(scheduler).__name__}; set pipe.scheduler, or use "
                f"{StableDiffusionImg2ImgPipeline.__name__}"
            )
        scheduler.set_timesteps(
            steps,
            original_inference_steps=original_inference_steps,
            timesteps=timesteps,
            strength=STRENGTH if strength is None else strength,
        )
        return super().__call__(
            prompt,
            image,
            strength=1.0,  # of the timesteps, which are that part of the way
            timesteps=[int(each) for each in scheduler.timesteps],
            guidance_scale=guidance_scale,
            num_images_per_prompt=num_images_per_prompt,
            generator=generator,
            prompt_embeds=prompt_embeds,
            **settings,
        )
