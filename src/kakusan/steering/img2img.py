"""From a picture to a picture: the way begins at a picture with noise on it (arXiv:2108.01073)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.errors import ArgumentError
from kakusan.inputs import Given, Inputs, check_again
from kakusan.request import DEFAULT_STRENGTH, MAX_SIZE, RESIZE_MODES, SIZE_STEP, Request
from kakusan.runtime.device import send
from kakusan.sampling import Start
from kakusan.schedulers import draw_noise
from kakusan.steering.masked import is_masked
from kakusan.steering.way import Call, Completed, Prepared, Way

# How many times the pixels that a model was made for are drawn unasked
MOST_UNASKED = 4


class ImageToImage(Way):
    """Begins at the pictures, or latents, that are handed in as `image`."""

    def check(self, request: Request, inputs: Inputs) -> None:
        given = inputs.image
        if is_masked(request, inputs):  # another way's
            return
        if request.image is not None:
            check_again("image", request.image, given)
        if given is None:
            _check_is_plain(request)
            return
        check_no_budget(request)
        is_open = request.width is None and request.height is None
        if is_open and given.latents is None:
            width, height = given.sizes[0]
            narrow = max(width, height) * SIZE_STEP > MAX_SIZE * min(width, height)
            if narrow or min(width, height) < SIZE_STEP:
                raise _not_drawn(given)

    def complete(self, request: Request, inputs: Inputs, engine: Engine) -> Completed:
        self.check(request, inputs)
        given = inputs.image
        if given is None or is_masked(request, inputs):
            return Completed(request)
        if request.strength is None and request.denoising_start is None:
            request = replace(request, strength=DEFAULT_STRENGTH)
        if given.latents is not None:
            return Completed(of_latents(request, given.latents, engine))
        return of_pictures(request, given, engine)

    def prepare(self, call: Call) -> Prepared | None:
        given, engine = call.inputs.image, call.engine
        if given is None or is_masked(call.request, call.inputs):
            return None
        if given.latents is not None:
            return _Begun(call, send(given.latents, engine.device))
        height, width = call.request.height, call.request.width
        assert height is not None
        assert width is not None
        pixels = given.pixels(width, height, call.request.resize_mode or "stretch")
        # alone, a seeded picture does not depend on its neighbours to the last bit
        parts = pixels.split(len(pixels) if call.request.seed is None else 1)
        found = [engine.encode_picture(part, _deviations(call, len(given))) for part in parts]
        notes = [note for each in found for note in (each.note, each.tiled) if note is not None]
        return _Begun(call, torch.cat([each.result for each in found]), notes)


class _Begun(Prepared):
    """Pictures that begin at these latents, of which the first is used again after the last."""

    def __init__(self, call: Call, latents: Tensor, notes: Sequence[str] = ()) -> None:
        self._call, self._latents, self.notes = call, latents, notes

    def start(self, pictures: range, noise: Callable[[], Tensor]) -> Start:
        request, span = self._call.request, self._call.span
        # one for each picture, or one for all of a prompt's, or of all prompts
        picture = self._latents[[index % len(self._latents) for index in pictures]]
        if request.denoising_start is not None or not span:
            return Start(picture, step=span.start, is_midway=True)
        return Start(noise(), picture, span.start)


def _deviations(call: Call, given: int) -> Tensor | None:
    """What draws latents of the pictures from their distributions, as the reference does.

    Under a seed they are the likeliest ones, so that a picture alone is the same as beside others.
    """
    engine, generator = call.engine, call.inputs.generator
    if call.request.seed is not None or not engine.vae.has_deviations:
        return None
    # one generator draws those of the pictures that were given, several draw one each
    rows = call.latents[0] if isinstance(generator, Sequence) else given
    dtype = engine.compute_dtype(engine.vae)
    shape = (rows, engine.vae.config.latent_channels, *call.latents[2:])
    return draw_noise(shape, generator, dtype=dtype, device=engine.device)


def check_no_budget(request: Request) -> None:
    """Raise ArgumentError for a quality budget, which nobody measured here."""
    if request.quality_budget is not None:
        raise ArgumentError(
            "what {quality_budget} would cost was not measured for pictures that begin at "
            "another; leave it out, and take fewer steps"
        )


def _check_is_plain(request: Request) -> None:
    """Refuse what says something of a picture, where there is none."""
    said = {
        "strength": "is how far to go back from {image} towards noise",
        "resize_mode": "is how {image} comes to the size that is drawn",
    }
    for name, words in said.items():
        if getattr(request, name) is not None:
            raise ArgumentError(f"{{{name}}} {words}, and there is none; give one, or leave it out")


def of_latents(request: Request, latents: Tensor, engine: Engine) -> Request:
    """As large as latents are, where nothing else is asked for."""
    if request.resize_mode is not None:
        raise ArgumentError("{resize_mode} is for pictures, and {image} is latents; leave it out")
    height, width = (side * engine.scale_factor for side in latents.shape[-2:])
    return replace(request, height=request.height or height, width=request.width or width)


def of_pictures(request: Request, given: Given, engine: Engine) -> Completed:
    """With the size, how it is come to, and which pictures they are."""
    if not engine.vae.can_encode:
        raise ArgumentError(
            "the pictures given as {image} need a vae that also encodes, and this one only decodes"
        )
    width, height, told = _size(request, given, engine)
    other = [size for size in given.sizes if size != (width, height)]
    mode = (request.resize_mode or "crop") if other else None
    if told is None and other and request.resize_mode is None:
        told = f"{given.words[0]} of {_sides(other[0])} is {RESIZE_MODES['crop']} to"
        told = f"{told} {width}x{height}" if _is_cut(other[0], (width, height)) else None
    files = request.image or given.files(stretched=mode == "stretch")
    request = replace(request, width=width, height=height, resize_mode=mode, image=files)
    return Completed(request, () if told is None else (told,))


def _size(request: Request, given: Given, engine: Engine) -> tuple[int, int, str | None]:
    """Width and height that are drawn, and a line on why they are not the picture's own."""
    factor, (width, height) = engine.scale_factor, given.sizes[0]
    if request.width is not None and request.height is not None:
        return request.width, request.height, None
    named, own = given.words[0], f"{width}x{height}"
    if request.width is None and request.height is None:
        wanted, why = unasked(width, height, engine)
        rounded = [int(side) // factor * factor for side in wanted]
    else:
        ratio = height / width
        wanted = (
            request.width or (request.height or 0) / ratio,
            request.height or (request.width or 0) * ratio,
        )
        rounded, why = [max(round(side / factor), 1) * factor for side in wanted], ""
    if min(rounded) < factor or max(rounded) > MAX_SIZE:
        raise _not_drawn(given)
    if not why and rounded == [width, height]:
        return width, height, None
    said = f"{named} of {own} is drawn at {rounded[0]}x{rounded[1]}{why}"
    return rounded[0], rounded[1], said


def _not_drawn(given: Given) -> ArgumentError:
    return ArgumentError(
        f"{{image}} is {{0}} of {_sides(given.sizes[0])} pixels, and pictures are drawn from "
        f"{SIZE_STEP} to {MAX_SIZE} pixels wide and high; say with {{width}} and {{height}} how "
        "large",
        given.words[0],
    )


def unasked(width: int, height: int, engine: Engine) -> tuple[tuple[float, float], str]:
    """The picture's own size, or for one far larger the model's, in the picture's shape."""
    rows, columns = engine.unet.config.latent_size
    most = rows * columns * engine.scale_factor**2
    if width * height <= MOST_UNASKED * most:
        return (width, height), ""
    share = math.sqrt(most / (width * height))
    return (width * share, height * share), ", about as large as the model was made for"


def _is_cut(own: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether more than a rounding is cut off."""
    return abs(own[0] * size[1] - own[1] * size[0]) > max(*own, *size) * 8


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
