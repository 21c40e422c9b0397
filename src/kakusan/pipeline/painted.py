"""What the reference's calls for inpainting have in common."""

from typing import Any

from kakusan.engine import Engine
from kakusan.errors import ArgumentError, nearest
from kakusan.inputs import Given, Masks, given_masks
from kakusan.pipeline.begun import required_pictures
from kakusan.pipeline.image_processor import OUTPUT_TYPES, VaeImageProcessor
from kakusan.pipeline.latent_diffusion import LatentDiffusionPipeline

PAINTS = "a picture, and a mask that is white where it is drawn anew"


def required_masks(image: object, mask_image: object) -> tuple[Given, Masks]:
    """The pictures and the masks that a call was given.

    Raises:
        InputError: They are missing, or something else.
    """
    given = required_pictures(image)
    masks = given_masks("mask", mask_image)
    if masks is None:
        raise ArgumentError("{mask} is missing; give a picture, white where it is drawn anew")
    return given, masks


def painted_size(
    given: Given, engine: Engine, height: int | None, width: int | None, crop: int | None
) -> dict[str, Any]:
    """How large the reference draws, and how pictures come to that: the model's size, stretched.

    Args:
        crop: the padding of the part around the mask, which is cut out in the size's shape.
    """
    if given.latents is not None:
        return {"height": height, "width": width}
    how = {"only_masked": crop} if crop is not None else {"resize_mode": "stretch"}
    return {**engine.full_size(height or None, width or None), **how}


def mask_processor(pipe: LatentDiffusionPipeline) -> VaeImageProcessor:
    """Turns masks into what the loop takes."""
    factor = pipe.vae_scale_factor
    return VaeImageProcessor(
        vae_scale_factor=factor, do_normalize=False, do_binarize=True, do_convert_grayscale=True
    )


def check_output_type(output_type: str) -> None:
    """Raise ArgumentError for a kind of output that no call gives."""
    if output_type not in OUTPUT_TYPES:
        guess = nearest(str(output_type), OUTPUT_TYPES)
        raise ArgumentError("there is no {output_type} {0!r}.{1}", output_type, guess)
