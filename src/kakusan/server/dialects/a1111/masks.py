"""A picture that is drawn over, whole or under a mask, as AUTOMATIC1111 prepares both."""

from typing import Any

from PIL import Image, ImageOps

from kakusan.images.resizing import resized
from kakusan.interchange.begun import share
from kakusan.server.dialects.a1111.errors import refused
from kakusan.server.dialects.a1111.values import Body

RESIZE_MODES = ("stretch", "crop", "fill")
CONTENTS = ("fill", "original", "noise", "nothing")
_OPAQUE = 255
_SIDE = 8


def begun(body: Body, images: list[Image.Image], mask: Image.Image | None) -> dict[str, Any]:
    """The settings of a request for pictures that are drawn over; `image` and `mask` are PIL's.

    Raises:
        ApiError: A way is asked for that there is not.
    """
    mode = _among("resize_mode", body["resize_mode"], RESIZE_MODES)
    found: dict[str, Any] = {"strength": _strength(body)}
    size = {side: body[side] for side in ("width", "height") if body[side] is not None}
    if mask is None:
        return {**found, **size, "image": images, "resize_mode": mode}
    levels = white_where_drawn(mask, inverted=bool(body["inpainting_mask_invert"]))
    found |= {
        "mask_blur": _blur(body),
        "masked_content": _among("inpainting_fill", body["inpainting_fill"], CONTENTS),
        "outside": "exact",
    }
    if not body["mask_round"]:
        found["soft_mask"] = True
    if body["inpaint_full_res"]:
        if levels.size != images[0].size:
            levels = levels.resize(images[0].size, Image.Resampling.LANCZOS)
        found["only_masked"] = body["inpaint_full_res_padding"]
        return {**found, **size, "image": images, "mask": levels}
    if size:
        width, height = _both(size, images[0].size)
        images = [resized(each, width, height, mode) for each in images]
        levels = resized(levels, width, height, mode)
        size = {"width": width, "height": height}
    elif levels.size != images[0].size:
        levels = levels.resize(images[0].size, Image.Resampling.LANCZOS)
    return {**found, **size, "image": images, "mask": levels}


def white_where_drawn(mask: Image.Image, *, inverted: bool) -> Image.Image:
    """A mask in grey: its transparency where it has some, else its lightness."""
    levels = mask.convert("L")
    if mask.mode == "RGBA" and mask.getchannel("A").getextrema() != (_OPAQUE, _OPAQUE):
        levels = mask.getchannel("A")
    return ImageOps.invert(levels) if inverted else levels


def _strength(body: Body) -> float:
    """How far to go back: at least one step where it is any at all, as there."""
    strength, steps = body["denoising_strength"], body["steps"]
    none_taken = steps > 0 and 0.0 < strength <= 1.0 and int(steps * strength) == 0
    return share(1, steps) if none_taken else strength


def _both(size: dict[str, int], own: tuple[int, int]) -> tuple[int, int]:
    """Width and height, of which one may follow from the other and the picture's shape."""
    width = size.get("width") or _near(size["height"] * own[0] / own[1])
    return width, size.get("height") or _near(width * own[1] / own[0])


def _near(side: float) -> int:
    return max(round(side / _SIDE), 1) * _SIDE


def _blur(body: Body) -> float:
    if body["mask_blur"] is not None:
        return float(body["mask_blur"])
    across, along = body["mask_blur_x"], body["mask_blur_y"]
    if across != along:
        raise refused(
            f"mask_blur_x and mask_blur_y must be alike here, not {across} and {along}; give "
            "mask_blur"
        )
    return float(across)


def _among(name: str, number: int, words: tuple[str, ...]) -> str:
    if not 0 <= number < len(words):
        raise refused(f"{name} must be from 0 to {len(words) - 1}, not {number}")
    return words[number]
