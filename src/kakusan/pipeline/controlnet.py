"""The reference's pipelines that ControlNets steer: from a text and pictures to a picture."""

from collections.abc import Sequence
from typing import Any

from kakusan.models import (
    Autoencoder,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    ControlNetModel,
    ControlNetUnionModel,
    MultiControlNetModel,
    StableDiffusionSafetyChecker,
    UNet2DConditionModel,
)
from kakusan.pipeline.controlled import Numbers, called, controls_of
from kakusan.pipeline.image_processor import VaeImageProcessor
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from kakusan.pipeline.parts import CONTROLNET, CONTROLNET_XL, as_one
from kakusan.pipeline.shown_tensors import TENSORS, XL_TENSORS
from kakusan.pipeline.stable_diffusion import OneEncoderPipeline
from kakusan.pipeline.stable_diffusion_xl import GUIDANCE, OF_THE_BASE, Texts, XLPipeline
from kakusan.schedulers import Scheduler
from kakusan.text import CLIPTokenizer
from kakusan.vocabulary import CONTROLLED, CONTROLLED_XL

Nets = ControlNetModel | Sequence[ControlNetModel] | MultiControlNetModel


def control_processor(pipe: LatentDiffusionPipeline) -> VaeImageProcessor:
    """Turns pictures that steer into numbers in [0, 1]."""
    factor = pipe.vae_scale_factor
    return VaeImageProcessor(vae_scale_factor=factor, do_convert_rgb=True, do_normalize=False)


class StableDiffusionControlNetPipeline(OneEncoderPipeline):
    """Text to picture with Stable Diffusion 1 and 2, steered by pictures (arXiv:2302.05543)."""

    layout = CONTROLNET
    _callback_tensor_inputs = (*TENSORS, "image")
    family = Family(name="Stable Diffusion 1 and 2 with a ControlNet", measured=False)

    controlnet: Any

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        tokenizer: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        controlnet: Nets,
        scheduler: Scheduler[Any] | None,
        safety_checker: StableDiffusionSafetyChecker | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        **published: Any,
    ) -> None:
        """Put parts together; a list of ControlNets becomes a `MultiControlNetModel`.

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
            controlnet=as_one("controlnet", controlnet),
            **published,
        )

    control_image_processor = property(control_processor)

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
        controlnet_conditioning_scale: Numbers = 1.0,
        guess_mode: bool = False,
        control_guidance_start: Numbers = 0.0,
        control_guidance_end: Numbers = 1.0,
        **settings: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw pictures of `prompt` that pictures steer.

        Args:
            image: What the ControlNet is shown: a picture of PIL's, an array (h, w, 3), a tensor
                (3, h, w) in [0, 1], or a list of them, one for each prompt; of several ControlNets
                a list with an entry for each.
            height, width: Those of `image` where not given, rounded down to multiples of 8.
            controlnet_conditioning_scale: How strongly it steers; of several one for each, or one
                for all.
            guess_mode: The half of the prompt alone is steered, and what is finer less; prompts may
                be empty then. A guidance of 3 to 5 is good.
            control_guidance_start, control_guidance_end: The part of the steps, from 0 to 1, in
                which it steers.
            settings: The rest is as `StableDiffusionPipeline` has it, and `callback_on_step_end`
                may be shown "image", a tensor, or of several ControlNets a list of tensors. Others
                that it gives back steer from the next step on.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            UnknownArgumentError: An argument that does not exist.
        """
        controls = controls_of(
            self,
            image,
            scales=controlnet_conditioning_scale,
            starts=control_guidance_start,
            ends=control_guidance_end,
            guess_mode=guess_mode,
        )
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


class ControlledXL(XLPipeline):
    """What SDXL's two share: their parts."""

    family = Family(
        name="SDXL with a ControlNet",
        guidance=GUIDANCE,
        takes=OF_THE_BASE,
        pooled=True,
        measured=False,
    )

    controlnet: Any

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        controlnet: Nets | ControlNetUnionModel,
        scheduler: Scheduler[Any] | None,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        **published: Any,
    ) -> None:
        """Put parts together; a list of ControlNets becomes a `MultiControlNetModel`.

        Args:
            force_zeros_for_empty_prompt: Whether no negative prompt is embeddings of zeros, or
                those of an empty text.
            add_watermarker: None or False: pictures get no watermark.
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
            "controlnet": as_one("controlnet", controlnet),
            "scheduler": scheduler,
            "feature_extractor": feature_extractor,
            "image_encoder": image_encoder,
        }
        published = {"add_watermarker": add_watermarker, **published}
        settings = {"force_zeros_for_empty_prompt": force_zeros_for_empty_prompt}
        self._put_together(parts, published, settings)

    def _put_together(
        self, parts: dict[str, Any], published: dict[str, Any], settings: dict[str, bool]
    ) -> None:
        super().__init__(parts, published, settings)

    control_image_processor = property(control_processor)


class StableDiffusionXLControlNetPipeline(ControlledXL):
    """Text to picture with SDXL, steered by pictures (arXiv:2302.05543)."""

    layout = CONTROLNET_XL
    _callback_tensor_inputs = (*XL_TENSORS, "image")

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
        controlnet_conditioning_scale: Numbers = 1.0,
        guess_mode: bool = False,
        control_guidance_start: Numbers = 0.0,
        control_guidance_end: Numbers = 1.0,
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures of `prompt` that pictures steer.

        Args:
            image: See `StableDiffusionControlNetPipeline`, also for the others of the ControlNet.
            settings: The rest is as `StableDiffusionXLPipeline` has it.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            UnknownArgumentError: An argument that does not exist.
        """
        controls = controls_of(
            self,
            image,
            scales=controlnet_conditioning_scale,
            starts=control_guidance_start,
            ends=control_guidance_end,
            guess_mode=guess_mode,
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
