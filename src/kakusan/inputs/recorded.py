"""The pictures that a request tells of, found again among those that are handed in."""

from kakusan.errors import ArgumentError
from kakusan.inputs.controls import ControlInput, ControlPictures
from kakusan.inputs.image_prompts import SeenPictures
from kakusan.inputs.inputs import Inputs
from kakusan.inputs.masks import is_mask_of, masks_again
from kakusan.inputs.pictures import Given, given_pictures, inputs_again, told
from kakusan.request import Request
from kakusan.request.kept import recorded_pictures


def recorded_inputs(request: Request, handed_in: object) -> Inputs:
    """What a request tells of, of files, pictures of PIL's or arrays in any order.

    Raises:
        ArgumentError: One is missing, or one that is handed in is none of them.
    """
    given = given_pictures("inputs", handed_in, files=True)
    seen = tuple(
        SeenPictures(inputs_again("inputs", each.images, given))
        for each in request.image_prompts or ()
        if each.images is not None
    )
    image = None if request.image is None else inputs_again("inputs", request.image, given)
    mask = None if request.mask is None else masks_again("inputs", request.mask, given)
    shown_to_nets = [
        ControlPictures(inputs_again("inputs", each.image or (), given))
        for each in request.controls or ()
    ]
    _check_none_spare(request, given)
    controls = tuple(ControlInput(None, pictures) for pictures in shown_to_nets)
    return Inputs(image=image, mask=mask, seen=seen, controls=controls)


def tells_of(request: Request, picture: Given) -> bool:
    """Whether one picture, or a mask in it, is among those that a request tells of."""
    masks = request.mask or ()
    return any(map(picture.is_of, recorded_pictures(request))) or any(
        is_mask_of(picture, each) for each in masks
    )


def _check_none_spare(request: Request, given: Given | None) -> None:
    if given is None:
        return
    made_from = [*recorded_pictures(request), *(request.mask or ())]
    if not made_from:
        raise ArgumentError("the picture was made from no other; leave {inputs} out")
    for part in given.parts() if given.latents is None else ():
        if not tells_of(request, part):
            raise ArgumentError(
                "{inputs} has {0}, and the picture was made from {1}; leave the other out",
                *(told(part.files()[0]), ", ".join(map(told, made_from[:3]))),
            )
