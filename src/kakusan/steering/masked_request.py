"""A request for inpainting or outpainting, completed and checked before any network runs."""

from dataclasses import replace

from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import Given, Inputs, check_again, check_masks_again
from kakusan.request import MAX_SIZE, Request
from kakusan.request.masks import EXACT, FEATHER, MaskedRequest
from kakusan.steering.canvas import part_size, rounded_up, whole_canvas
from kakusan.steering.img2img import check_no_budget, of_latents, of_pictures, unasked
from kakusan.steering.masked import is_masked
from kakusan.steering.way import Completed

DEFAULT_STRENGTH = 0.75
OUTPAINT_STRENGTH = 0.6  # so that edges, drawn out, go on
_MOST_FEATHER = 32
_FEATHERED = 8  # one of so many pixels of the shorter side


def completed(request: Request, inputs: Inputs, engine: Engine) -> Completed:
    """The request with sizes, files and strengths filled in, and lines on what was decided.

    Raises:
        InputError: Something of it cannot be used, or not together.
    """
    check(request, inputs)
    given, masks = inputs.image, inputs.mask
    if given is None or not is_masked(request, inputs):
        return Completed(request)
    request = _with_defaults(request, given)
    if masks is not None:
        request = replace(request, mask=request.mask or masks.files())
    if given.latents is not None:
        return Completed(of_latents(request, given.latents, engine))
    told = _said_of_masks(inputs)
    if request.pastes_back:
        found = _cut_and_pasted(request, inputs, engine)
    else:
        found = of_pictures(request, given, engine)
    return found._replace(told=(*found.told, *told))


def check(request: Request, inputs: Inputs) -> None:
    """See all that can be seen before a model is loaded.

    Raises:
        InputError: What was handed in cannot be used, or is missing.
    """
    if not is_masked(request, inputs):
        _check_is_unmasked(request, inputs)
        return
    check_no_budget(request)
    given, masks = inputs.image, inputs.mask
    if request.image is not None:
        check_again("image", request.image, given)
    if request.mask is not None:
        check_masks_again(request.mask, masks)
    if given is None:
        name = "mask" if masks is not None else "outpaint"
        raise ArgumentError(f"{{{name}}} is of a picture, and there is none; give it as {{image}}")
    _check_sizes(request, inputs)
    if given.latents is not None:
        _check_needs_no_pixels(request)
    if request.pastes_back and request.resize_mode is not None:
        raise ArgumentError(
            "{resize_mode} is for pictures that are drawn at another size; here what is drawn is "
            "pasted back at the picture's own; leave it out"
        )


def _check_is_unmasked(request: Request, inputs: Inputs) -> None:
    """Refuse what says something of a mask, where there is none."""
    for name in MaskedRequest.only_masks():
        if getattr(request, name) is not None:
            raise ArgumentError(
                f"{{{name}}} says how a mask is used, and there is none; give {{mask}}, or leave "
                f"{{{name}}} out"
            )
    if inputs.masked_image_latents is not None:
        raise ArgumentError("{masked_image_latents} stand beside a mask; give {mask} too")


def _check_sizes(request: Request, inputs: Inputs) -> None:
    """A mask lies on its picture pixel by pixel, or as the reference has it, in its shape."""
    given, masks = inputs.image, inputs.mask
    assert given is not None
    if given.latents is not None:
        return
    if request.pastes_back and len(set(given.sizes)) > 1:
        raise ArgumentError(
            "{image} is pictures of {0} and {1} pixels, and what is drawn is pasted back into "
            "them; give pictures of one size",
            _sides(given.sizes[0]),
            _sides(next(size for size in given.sizes if size != given.sizes[0])),
        )
    count = 0 if masks is None else max(len(given), len(masks))
    for index in range(count):
        assert masks is not None
        size, own = masks.sizes[index % len(masks)], given.sizes[index % len(given)]
        stretched = request.resize_mode == "stretch" and not request.pastes_back
        if size == own or (stretched and _alike(size, own)):
            continue
        raise ArgumentError(
            "{mask} has {0} pixels, and {image} {1}: a mask is as large as its picture",
            _sides(size),
            _sides(own),
        )


def _alike(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether one is the other at another scale, up to a rounding of a pixel."""
    beyond = abs(first[0] * second[1] - first[1] * second[0])
    return beyond <= max(*first, *second)


def _check_needs_no_pixels(request: Request) -> None:
    needing = ("only_masked", "outpaint", *(("outside",) if request.outside == EXACT else ()))
    name = next((each for each in needing if getattr(request, each) is not None), None)
    if name is None and request.masked_content == "fill":
        name = "masked_content"
    if name is not None:
        raise ArgumentError(f"{{{name}}} needs a picture, and {{image}} is latents; leave it out")


def _with_defaults(request: Request, given: Given) -> Request:
    outpaint, strength = request.outpaint, request.strength
    if outpaint is not None and FEATHER not in outpaint:
        shorter = min(given.sizes[0]) if given.latents is None else 0
        outpaint = {**outpaint, FEATHER: min(shorter // _FEATHERED, _MOST_FEATHER)}
    if strength is None and request.denoising_start is None:
        strength = DEFAULT_STRENGTH if outpaint is None else OUTPAINT_STRENGTH
    return replace(request, outpaint=outpaint, strength=strength)


def _cut_and_pasted(request: Request, inputs: Inputs, engine: Engine) -> Completed:
    """With the size at which a part, or all of a picture at its own size, is drawn."""
    given = inputs.image
    assert given is not None
    if not engine.vae.can_encode:
        raise ArgumentError(
            "the pictures given as {image} need a vae that also encodes, and this one only decodes"
        )
    image, levels = whole_canvas(request, inputs, 0)
    if max(image.size) > MAX_SIZE:
        raise (
            ArgumentError(
                "{outpaint} makes the picture {0} pixels, and the most is {1} wide and high",
                _sides(image.size),
                MAX_SIZE,
            )
            if request.outpaint is not None
            else _too_large(image.size)
        )
    factor, told = engine.scale_factor, ""
    rows, columns = engine.unet.config.latent_size
    most = rows * columns * factor**2
    if request.only_masked is not None and levels.any():
        wanted = part_size(levels, request.only_masked, most)
        size = [max(round(side / factor), 1) * factor for side in wanted]
    else:
        wanted, why = unasked(*image.size, engine)
        size = [rounded_up(int(side), factor) for side in wanted]
        told = (
            f"the picture of {_sides(image.size)} is drawn at {size[0]}x{size[1]}{why}"
            if why
            else ""
        )
    if request.width is not None or request.height is not None:
        size, told = _asked(request, size, factor), ""
    files = request.image or given.files()
    request = replace(request, width=size[0], height=size[1], image=files)
    return Completed(request, (f"{told}, and pasted back",) if told else ())


def _asked(request: Request, own: list[int], factor: int) -> list[int]:
    """The size that is asked for; a side that is not follows from the other."""
    ratio = own[1] / own[0]
    wanted = (
        request.width or round((request.height or 0) / ratio / factor) * factor,
        request.height or round((request.width or 0) * ratio / factor) * factor,
    )
    return [min(max(side, factor), MAX_SIZE) for side in wanted]


def _too_large(size: tuple[int, int]) -> ArgumentError:
    return ArgumentError(
        "{image} has {0} pixels, and the most that is pasted back into is {1} wide and high",
        _sides(size),
        MAX_SIZE,
    )


def _said_of_masks(inputs: Inputs) -> list[str]:
    """A line for masks that leave all of a picture, or nothing."""
    levels = () if inputs.mask is None else inputs.mask.levels
    if any(not each.any() for each in levels):
        return ["the mask is all black: nothing of the picture is drawn anew"]
    if any(bool((each == 1).all()) for each in levels):
        return ["the mask is all white: all of the picture is drawn anew"]
    return []


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
