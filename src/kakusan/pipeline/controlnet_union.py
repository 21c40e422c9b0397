"""The reference's pipelines for SDXL that one network of several kinds of pictures steers."""

from collections.abc import Sequence
from typing import Any

from kakusan.pipeline.begun import BEGINS_AT, own_size, required_pictures
from kakusan.pipeline.controlled import Numbers, called, controls_of
from kakusan.pipeline.controlnet import ControlledXL
from kakusan.pipeline.controlnet_img2img import SCALE, SCORES, STRENGTH, BegunXL
from kakusan.pipeline.controlnet_inpaint import PARTS_AND_SCORES, XL_STRENGTH, painted_in
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionXLPipelineOutput
from kakusan.pipeline.painted import PAINTS, mask_processor, required_masks
from kakusan.pipeline.parts import (
    CONTROLNET_UNION_IMAGE_XL,
    CONTROLNET_UNION_INPAINTING_XL,
    CONTROLNET_UNION_XL,
)
from kakusan.pipeline.shown_tensors import XL_BEGUN_TENSORS
from kakusan.pipeline.stable_diffusion_xl import GUIDANCE, OF_THE_BASE, Texts
from kakusan.vocabulary import CONTROLLED_IMAGE_XL, CONTROLLED_INPAINTING_XL, CONTROLLED_XL

Kinds = int | Sequence[int] | None


def _types(kinds: Kinds) -> Sequence[int] | None:
    return [kinds] if isinstance(kinds, int) else kinds


class StableDiffusionXLControlNetUnionPipeline(ControlledXL):
    """Text to picture with SDXL, steered by pictures of several kinds and one network."""

    layout = CONTROLNET_UNION_XL

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        control_image: object = None,
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
        control_mode: Kinds = None,
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures of `prompt` that pictures steer.

        Args:
            control_image: A picture, or a list with one of each kind.
            control_mode: What each is of, by the network's numbers: 0 openpose, 1 depth, 2
                scribble, 3 canny, 4 normal, 5 segmentation, and of "promax" 6 tile, 7 repaint.
            settings: The rest is as `StableDiffusionXLPipeline` has it.

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
            types=_types(control_mode),
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


class StableDiffusionXLControlNetUnionImg2ImgPipeline(BegunXL):
    """From a picture to a picture with SDXL, steered by pictures of several kinds and one net."""

    layout = CONTROLNET_UNION_IMAGE_XL
    _callback_tensor_inputs = (*XL_BEGUN_TENSORS, "control_image")
    family = Family(
        name="SDXL's image-to-image with a union of ControlNets",
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
        control_mode: Kinds = None,
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw pictures that begin at others, and that pictures steer.

        Args:
            image: As `StableDiffusionXLImg2ImgPipeline` has it.
            control_image, control_mode: As `StableDiffusionXLControlNetUnionPipeline` has them.
            height, width, strength: As `StableDiffusionControlNetImg2ImgPipeline` has them.
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
            types=_types(control_mode),
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


class StableDiffusionXLControlNetUnionInpaintPipeline(BegunXL):
    """A part of a picture anew with SDXL, steered by pictures of several kinds and one net."""

    layout = CONTROLNET_UNION_INPAINTING_XL
    _callback_tensor_inputs = (*XL_BEGUN_TENSORS, "mask", "control_image")
    family = Family(
        name="SDXL's inpainting with a union of ControlNets",
        guidance=GUIDANCE,
        takes=OF_THE_BASE | PARTS_AND_SCORES,
        pooled=True,
        begins_at=PAINTS,
        measured=False,
    )

    mask_processor = property(mask_processor)

    def __call__(
        self,
        prompt: Texts = None,
        prompt_2: Texts = None,
        image: object = None,
        mask_image: object = None,
        control_image: object = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
        strength: float = XL_STRENGTH,
        num_inference_steps: int | None = None,
        denoising_start: float | None = None,
        denoising_end: float | None = None,
        guidance_scale: float | None = None,
        negative_prompt: Texts = None,
        negative_prompt_2: Texts = None,
        *,
        controlnet_conditioning_scale: Numbers = 1.0,
        guess_mode: bool = False,
        control_guidance_start: Numbers = 0.0,
        control_guidance_end: Numbers = 1.0,
        control_mode: Kinds = None,
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw what is white in `mask_image` anew, steered by pictures.

        Args:
            image, mask_image, height, width, padding_mask_crop: As
                `StableDiffusionControlNetInpaintPipeline` has them.
            control_image, control_mode: As `StableDiffusionXLControlNetUnionPipeline` has them.
            strength, denoising_start: As `StableDiffusionXLInpaintPipeline` has them.
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
            types=_types(control_mode),
        )
        words = CONTROLLED_INPAINTING_XL
        with words.spoken():
            given, masks = required_masks(image, mask_image)
            plain = {
                "prompt": prompt,
                "prompt_2": prompt_2,
                "strength": strength if denoising_start is None else None,
                "denoising_start": denoising_start,
                "denoising_end": denoising_end,
                "num_inference_steps": num_inference_steps,
                "guidance_scale": guidance_scale,
                "negative_prompt": negative_prompt,
                "negative_prompt_2": negative_prompt_2,
            }
            sized = painted_in(given, height, width, padding_mask_crop, self.vae_scale_factor)
            handed = {"image": given, "mask": masks}
            return called(self, words, {**settings, **plain}, controls, handed, sized)
