"""Pictures made larger without a network, as AUTOMATIC1111 does it.

Source: modules/images.py, resize_image, and modules/upscaler.py.
"""

from PIL import Image

_STEP = 8  # pixels that its upscalers make sides multiples of
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "nearest": Image.Resampling.NEAREST}


def enlarged(image: Image.Image, width: int, height: int, upscaler: str) -> Image.Image:
    """A picture of this size.

    Args:
        upscaler: "None" is Lanczos at once; "Lanczos" and "Nearest" keep the picture's shape, and
            make sides of whole latents of it first.
    """
    size = (width, height)
    if image.size == size:
        return image
    if upscaler != "None":
        image = _by_upscaler(image, size, _FILTERS[upscaler.casefold()])
    return image if image.size == size else image.resize(size, _FILTERS["lanczos"])


def _by_upscaler(
    image: Image.Image, size: tuple[int, int], resampling: Image.Resampling
) -> Image.Image:
    scale = max(wanted / own for wanted, own in zip(size, image.size, strict=True))
    if scale <= 1:
        return image
    sides = [side * scale for side in image.size]
    whole = (int(sides[0] // _STEP * _STEP), int(sides[1] // _STEP * _STEP))
    image = image.resize((int(sides[0]), int(sides[1])), resampling)
    if image.size == whole or min(whole) < _STEP:
        return image
    return image.resize(whole, _FILTERS["lanczos"])
