"""What a picture was made from and is kept beside it, for another one that is to be like it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kakusan.inputs import (
    ControlInput,
    ControlPictures,
    Given,
    Inputs,
    SeenPictures,
    given_pictures,
    inputs_again,
    masks_again,
)
from kakusan.request import PictureFile, Request


def with_kept(request: Request, inputs: Inputs, files: Sequence[Path]) -> Inputs:
    """Inputs with the pictures that a request tells of and that were not handed in.

    Args:
        files: in which they are kept; one that is not among them stays out.

    Raises:
        InputError: A file is no picture, or a mask is not among them while its picture is.
    """
    given = given_pictures("image", list(files) or None, files=True)
    if inputs.image is None and request.image and _has(given, request.image):
        image = inputs_again("image", request.image, given)
        mask = None if request.mask is None else masks_again("mask", request.mask, given)
        inputs = replace(inputs, image=image, mask=mask)
    steering = [asked.image or () for asked in request.controls or ()]
    if not inputs.controls and steering and all(_has(given, each) for each in steering):
        pictures = [ControlPictures(inputs_again("controls", each, given)) for each in steering]
        inputs = replace(inputs, controls=tuple(ControlInput(None, each) for each in pictures))
    seen = [prompt.images for prompt in request.image_prompts or () if prompt.images]
    if not inputs.seen and seen and all(_has(given, each) for each in seen):
        found = (SeenPictures(inputs_again("image_prompts", each, given)) for each in seen)
        inputs = replace(inputs, seen=tuple(found))
    return inputs


def _has(given: Given | None, recorded: Sequence[PictureFile]) -> bool:
    parts = [] if given is None else given.parts()
    return bool(recorded) and all(any(part.is_of(each) for part in parts) for each in recorded)
