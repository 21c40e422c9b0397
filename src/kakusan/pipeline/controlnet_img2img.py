"""The reference's pipelines that ControlNets steer, from a picture to a picture."""

from collections.abc import Sequence
from typing import Any

from kakusan.models import (
    Autoencoder,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionModelWithProjection,
    UNet2DConditionModel,
)
from kakusan.pipeline.begun import BEGINS_AT, own_size, required_pictures
from kakusan.pipeline.controlled import Numbers, called, controls_of
from kakusan.pipeline.controlnet import (
    ControlledXL,
    Nets,
    StableDiffusionControlNetPipeline,
)
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from kakusan.pipeline.parts import CONTROLNET_IMAGE, CONTROLNET_IMAGE_XL, as_one
from kakusan.pipeline.shown_tensors import TENSORS, XL_BEGUN_TENSORS
from kakusan.pipeline.stable_diffusion_xl import GUIDANCE, OF_THE_BASE, Texts
from kakusan.schedulers import Scheduler
from kakusan.text import CLIPTokenizer
from kakusan.vocabulary import CONTROLLED_IMAGE, CONTROLLED_IMAGE_XL

STRENGTH = SCALE = 0.8
SCORES = frozenset({"aesthetic_score", "negative_aesthetic_score"})


class StableDiffusionControlNetImg2ImgPipeline(StableDiffusionControlNetPipeline):
    """From a picture to a picture with Stable Diffusion 1 and 2, steered by pictures."""

    layout = CONTROLNET_IMAGE
    _callback_tensor_inputs = (*TENSORS, "control_image")
    family = Family(
        name="image-to-image with a ControlNet, of Stable Diffusion 1 and 2",
        begins_at=BEGINS_AT,
        measured=False,
    )

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        prompt: str | Sequence[str] | None = None,
        image: object = None,
        control_image: object = None,
        height: int | None = None,
        width: int | None = None,
        strength: float = STRENGTH,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        *,
        controlnet_conditioning_scale: Numbers = SCALE,
        guess_mode: bool = False,
        control_guidance_start: Numbers = 0.0,
        control_guidance_end: Numbers = 1.0,
        **settings: Any,
    ) -> StableDiffusionPipelineOutput | tuple[Any, list[bool] | None]:
        """Draw pictures that begin at others, and that pictures steer.

        Args:
            image, strength: As `StableDiffusionImg2ImgPipeline` has them.
            control_image: What the ControlNets are shown, see `StableDiffusionControlNetPipeline`.
            height, width: Those of `image` where not given, rounded down to multiples of 8.
            settings: The rest is as these two have it; `callback_on_step_end` may be shown
                "control_image", and change it.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            UnknownArgumentError: An argument that does not exist.
        """
        controls = controls_of(
            self,
            control_image,
            name="control_image",
            scales=controlnet_conditioning_scale,
            starts=control_guidance_start,
            ends=control_guidance_end,
            guess_mode=guess_mode,
        )
        given = required_pictures(image)
        sized = own_size(given, self.vae_scale_factor, height, width)
        plain = {
            "prompt": prompt,
            "strength": strength,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
        }
        words = CONTROLLED_IMAGE
        return called(self, words, {**settings, **plain}, controls, {"image": given}, sized)


class BegunXL(ControlledXL):
    """What SDXL's two share that begin at pictures: their parts."""

    def __init__(
        self,
        vae: Autoencoder[Any] | None,
        text_encoder: CLIPTextModel | None,
        text_encoder_2: CLIPTextModelWithProjection | None,
        tokenizer: CLIPTokenizer | None,
        tokenizer_2: CLIPTokenizer | None,
        unet: UNet2DConditionModel | None,
        controlnet: Nets,
        scheduler: Scheduler[Any] | None,
        requires_aesthetics_score: bool = False,
        force_zeros_for_empty_prompt: bool = True,
        add_watermarker: bool | None = None,
        feature_extractor: CLIPImageProcessor | None = None,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        **published: Any,
    ) -> None:
        """Put parts together; a list of ControlNets becomes a `MultiControlNetModel`.

        Args:
            requires_aesthetics_score: Whether the UNet is told scores of beauty, as the refiner's.
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
        settings = {
            "requires_aesthetics_score": requires_aesthetics_score,
            "force_zeros_for_empty_prompt": force_zeros_for_empty_prompt,
        }
        self._put_together(parts, {"add_watermarker": add_watermarker, **published}, settings)


class StableDiffusionXLControlNetImg2ImgPipeline(BegunXL):
    """From a picture to a picture with SDXL, steered by pictures."""

    layout = CONTROLNET_IMAGE_XL
    _callback_tensor_inputs = (*XL_BEGUN_TENSORS, "control_image")
    family = Family(
        name="SDXL's image-to-image with a ControlNet",
        guidance=GUIDANCE,
        takes=OF_THE_BASE | SCORES,
        pooled=True,
        begins_at=BEGINS_AT,
        measured=False,
    )

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        image: object = None,
        control_image: object = None,
        height: int | None = None,
        width: int | None = None,
        strength: float = STRENGTH,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        *,
        controlnet_conditioning_scale: Numbers = SCALE,
        guess_mode: bool = False,
        control_guidance_start: Numbers = 0.0,
        control_guidance_end: Numbers = 1.0,
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures that begin at others, and that pictures steer.

        Args:
            image: As `StableDiffusionXLImg2ImgPipeline` has it.
            control_image, height, width, strength: As `StableDiffusionControlNetImg2ImgPipeline`.
            settings: The rest is as `StableDiffusionXLControlNetPipeline` has it.

        Raises:
            RequestError: Anything of this does not fit, before any network runs.
            UnknownArgumentError: An argument that does not exist.
        """
        controls = controls_of(
            self,
            control_image,
            name="control_image",
            scales=controlnet_conditioning_scale,
            starts=control_guidance_start,
            ends=control_guidance_end,
            guess_mode=guess_mode,
        )
        given = required_pictures(image)
        sized = own_size(given, self.vae_scale_factor, height, width)
        plain = {
            "prompt": prompt,
            "prompt_2": prompt_2,
            "strength": strength,
            "num_inference_steps": num_inference_steps,
            "guidance_scale": guidance_scale,
            "negative_prompt": negative_prompt,
            "negative_prompt_2": negative_prompt_2,
        }
        words = CONTROLLED_IMAGE_XL
        return called(self, words, {**settings, **plain}, controls, {"image": given}, sized)
