"""The reference's pipelines that T2I-Adapters steer: from a text and pictures to a picture."""

from collections.abc import Sequence
from typing import Any

from kakusan.models import (
    Autoencoder,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    MultiAdapter,
    StableDiffusionSafetyChecker,
    T2IAdapter,
    UNet2DConditionModel,
)
from kakusan.pipeline.controlled import Numbers, called, controls_of
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from kakusan.pipeline.parts import ADAPTER, ADAPTER_XL, as_one
from kakusan.pipeline.stable_diffusion import OneEncoderPipeline
from kakusan.pipeline.stable_diffusion_xl import GUIDANCE, OF_THE_BASE, Texts, XLPipeline
from kakusan.schedulers import Scheduler
from kakusan.text import CLIPTokenizer
from kakusan.vocabulary import CONTROLLED, CONTROLLED_XL

Adapters = T2IAdapter | Sequence[T2IAdapter] | MultiAdapter


class StableDiffusionAdapterPipeline(OneEncoderPipeline):
    """Text to picture with Stable Diffusion 1, steered by T2I-Adapters (arXiv:2302.08453)."""

    layout = ADAPTER
    family = Family(name="Stable Diffusion 1 and 2 with a T2I-Adapter", measured=False)

    adapter: Any

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        adapter: Adapters,
        scheduler: Scheduler[Any] | None,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        **published: Any,
    ) -> None:
        """Put parts together; a list of T2I-Adapters becomes a `MultiAdapter`.

        Args:
            published: What the reference takes besides and changes nothing here.

        Raises:
            RequestError: A part is not what it stands for, or does not fit another.
        """
        super().__init__(
            vae,
            text_encoder,
            tokenizer,
            unet,
            scheduler,
            safety_checker,
            feature_extractor,
            adapter=as_one("adapter", adapter),
            **published,
        )

    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        image: object = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        *,
        adapter_conditioning_scale: Numbers = 1.0,
        **settings: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw pictures of `prompt` that pictures steer.

        Args:
            image: What the adapter is shown: a picture of PIL's, a tensor (c, h, w) in [0, 1], or a
                list of them, one for each prompt; of several adapters a list with an entry for
                each.
            height, width: Those of `image` where not given, rounded down.
            adapter_conditioning_scale: How strongly it steers; of several one for each, or one for
                all.
            settings: The rest is as `StableDiffusionPipeline` has it.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            UnknownArgumentError: An argument that does not exist.
        """
        controls = controls_of(self, image, scales=adapter_conditioning_scale)
        plain = {
            "prompt": prompt,
            "height": height,
            "width": width,
            "num_inference_steps": num_inference_steps,
            "timesteps": timesteps,
            "sigmas": sigmas,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
        }
        return called(self, CONTROLLED, {**settings, **plain}, controls)


class StableDiffusionXLAdapterPipeline(XLPipeline):
    """Text to picture with SDXL, steered by T2I-Adapters (arXiv:2302.08453)."""

    layout = ADAPTER_XL
    family = Family(
        name="SDXL with a T2I-Adapter",
        guidance=GUIDANCE,
        takes=OF_THE_BASE,
        pooled=True,
        measured=False,
    )

    adapter: Any

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        adapter: Adapters,
        scheduler: Scheduler[Any] | None,
        force_zeros_for_empty_prompt: bool = True,
        feature_extractor: CLIPImageProcessor | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        **published: Any,
    ) -> None:
        """Put parts together; a list of T2I-Adapters becomes a `MultiAdapter`.

        Args:
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
            "adapter": as_one("adapter", adapter),
            "scheduler": scheduler,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        super().__init__(
            parts, published, {"force_zeros_for_empty_prompt": force_zeros_for_empty_prompt}
        )

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        image: object = None,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int | None = None,
        timesteps: Sequence[int] | None = None,
        sigmas: Sequence[float] | None = None,
        denoising_end: float | None = None,
        guidance_scale: float | None = None,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        *,
        adapter_conditioning_scale: Numbers = 1.0,
        adapter_conditioning_factor: float = 1.0,
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures of `prompt` that pictures steer.

        Args:
            image: See `StableDiffusionAdapterPipeline`, also for the scale.
            adapter_conditioning_factor: The part of the steps, from 0 to 1, after which it no
                longer steers.
            settings: The rest is as `StableDiffusionXLPipeline` has it.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            UnknownArgumentError: An argument that does not exist.
        """
        controls = controls_of(
            self,
            image,
            scales=adapter_conditioning_scale,
            ends=adapter_conditioning_factor,
        )
        plain = {
            "prompt": prompt,
            "prompt_2": prompt_2,
            "height": height,
            "width": width,
            "num_inference_steps": num_inference_steps,
            "timesteps": timesteps,
            "sigmas": sigmas,
            "denoising_end": denoising_end,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
            "negative_prompt_2": negative_prompt_2,
        }
        return called(self, CONTROLLED_XL, {**settings, **plain}, controls)
