"""The reference's pipelines that ControlNets steer, which draw a part of a picture anew."""

from collections.abc import Sequence
from typing import Any

from kakusan.inputs import Given
from kakusan.pipeline.begun import own_size
from kakusan.pipeline.controlled import Numbers, called, controls_of
from kakusan.pipeline.controlnet import StableDiffusionControlNetPipeline
from kakusan.pipeline.controlnet_img2img import BegunXL
from kakusan.pipeline.model import Family
from kakusan.pipeline.output import StableDiffusionPipelineOutput, StableDiffusionXLPipelineOutput
from kakusan.pipeline.painted import PAINTS, mask_processor, required_masks
from kakusan.pipeline.parts import CONTROLNET_INPAINTING, CONTROLNET_INPAINTING_XL
from kakusan.pipeline.shown_tensors import MASKS, TENSORS, XL_BEGUN_TENSORS
from kakusan.pipeline.stable_diffusion_xl import GUIDANCE, OF_THE_BASE, Texts
from kakusan.vocabulary import CONTROLLED_INPAINTING, CONTROLLED_INPAINTING_XL

STRENGTH, XL_STRENGTH = 1.0, 0.9999
SCALE = 0.5
PARTS_AND_SCORES = frozenset({"denoising_start", "aesthetic_score", "negative_aesthetic_score"})


class StableDiffusionControlNetInpaintPipeline(StableDiffusionControlNetPipeline):
    """A part of a picture anew with Stable Diffusion 1 and 2, steered by pictures."""

    layout = CONTROLNET_INPAINTING
    _callback_tensor_inputs = (*TENSORS, *MASKS, "control_image")
    family = Family(
        name="inpainting with a ControlNet, of Stable Diffusion 1 and 2",
        begins_at=PAINTS,
        measured=False,
    )

    mask_processor = property(mask_processor)

    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        prompt: str | Sequence[str] | None = None,
        image: object = None,
        mask_image: object = None,
        control_image: object = None,
        height: int | None = None,
        width: int | None = None,
        padding_mask_crop: int | None = None,
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
        """Draw what is white in `mask_image` anew, steered by pictures.

        Args:
            image, mask_image, padding_mask_crop, strength: As `StableDiffusionInpaintPipeline`.
            control_image: What the ControlNets are shown, see `StableDiffusionControlNetPipeline`;
                -1 in a tensor is what is to be painted.
            height, width: Those of `image` where not given, rounded down to multiples of 8.
            settings: The rest is as these two have it; `callback_on_step_end` may be shown
                "control_image", "mask" and "masked_image_latents", and change them likewise.

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
        words = CONTROLLED_INPAINTING
        with words.spoken():
            given, masks = required_masks(image, mask_image)
            plain = {
                "prompt": prompt,
                "strength": strength,
                "num_inference_steps": num_inference_steps,
                "guidance_scale": guidance_scale,
                "negative_prompt": negative_prompt,
            }
            sized = painted_in(given, height, width, padding_mask_crop, self.vae_scale_factor)
            handed = {"image": given, "mask": masks}
            return called(self, words, {**settings, **plain}, controls, handed, sized)


class StableDiffusionXLControlNetInpaintPipeline(BegunXL):
    """A part of a picture anew with SDXL, steered by pictures."""

    layout = CONTROLNET_INPAINTING_XL
    _callback_tensor_inputs = (*XL_BEGUN_TENSORS, *MASKS, "control_image")
    family = Family(
        name="SDXL's inpainting with a ControlNet",
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
        **settings: Any,
    ) -> StableDiffusionXLPipelineOutput | tuple[Any]:
        """Draw what is white in `mask_image` anew, steered by pictures.

        Args:
            image, mask_image, control_image, height, width, padding_mask_crop: As
                `StableDiffusionControlNetInpaintPipeline` has them.
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


def painted_in(
    given: Given, height: int | None, width: int | None, crop: int | None, factor: int
) -> dict[str, Any]:
    """As large as the first picture, rounded down, where the call does not say."""
    found = own_size(given, factor, height, width)
    if crop is not None:  # the part around the mask is cut out in the size's shape
        found.pop("resize_mode", None)  # latents have none
        found["only_masked"] = crop
    return found
