"""Pictures brought to a size of another shape, by AUTOMATIC1111's three ways."""

from PIL import Image

from kakusan.errors import InputError
from kakusan.images.opening import MOST_PIXELS

LANCZOS = Image.Resampling.LANCZOS


def resized(
    image: Image.Image, width: int, height: int, mode: str = "crop", name: str = "the picture"
) -> Image.Image:
    """A picture of this size, scaled by Lanczos.

    Args:
        mode: "stretch" changes its shape; "crop" covers the size and cuts off what is beyond, at
            both ends alike; "fill" shows all of it, and draws its outermost rows or columns out.
        name: what messages call it.

    Raises:
        InputError: Its shape is so far from the size's that the way there takes too much memory.
    """
    if image.size == (width, height):
        return image
    if mode == "stretch":
        return image.resize((width, height), LANCZOS)
    wider = image.width * height > image.height * width  # than what is asked for
    along_height = wider == (mode == "crop")
    if along_height:
        size = (max(image.width * height // image.height, 1), height)
    else:
        size = (width, max(image.height * width // image.width, 1))
    if size[0] * size[1] > MOST_PIXELS:
        raise InputError(
            f"{name} has {image.width}x{image.height} pixels, which is no shape to cut "
            f"{width}x{height} out of; cut out what is meant first"
        )
    scaled = image.resize(size, LANCZOS)
    left, top = width // 2 - size[0] // 2, height // 2 - size[1] // 2
    found = Image.new(image.mode, (width, height))
    found.paste(scaled, (left, top))
    if mode == "fill":
        _draw_out(found, scaled, left, top)
    return found


def _draw_out(found: Image.Image, scaled: Image.Image, left: int, top: int) -> None:
    """Fill what is beside or above and below a picture with its outermost columns or rows."""
    width, height = found.size
    right, bottom = left + scaled.width, top + scaled.height
    edges = (
        ((0, 0, width, top), (0, 0, scaled.width, 0)),
        ((0, bottom, width, height), (0, scaled.height, scaled.width, scaled.height)),
        ((0, 0, left, height), (0, 0, 0, scaled.height)),
        ((right, 0, width, height), (scaled.width, 0, scaled.width, scaled.height)),
    )
    for place, edge in edges:
        size = (place[2] - place[0], place[3] - place[1])
        if min(size) > 0:
            found.paste(scaled.resize(size, box=edge), place[:2])
