"""What the reference's calls that begin at pictures have in common."""

from typing import Any

from kakusan.errors import ArgumentError
from kakusan.inputs import Given, given_pictures

BEGINS_AT = (
    "pictures (of PIL, arrays or tensors), or latents, such as another pipeline gives with "
    'output_type="latent"'
)


def required_pictures(image: object) -> Given:
    """The pictures, or latents, that a call was given.

    Raises:
        InputError: They are missing, or something else.
    """
    given = given_pictures("image", image)
    if given is None:
        raise ArgumentError("{image} is missing; give {0}", BEGINS_AT)
    return given


def own_size(
    given: Given, factor: int, height: int | None = None, width: int | None = None
) -> dict[str, Any]:
    """How large the reference draws: as the first picture, rounded down, and stretched to that.

    Args:
        factor: pixels along one side of a latent.
        height, width: in place of the picture's, where the call says one.

    Raises:
        ArgumentError: Nothing is left.
    """
    wide, high = given.sizes[0]
    if given.latents is not None:
        found: dict[str, Any] = {"height": high * factor, "width": wide * factor}
    else:
        rounded = [side - side % factor for side in (high, wide)]
        if min(rounded) < factor:
            raise ArgumentError(
                "{image} has {0}x{1} pixels, and the smallest that is drawn is {2}x{2}",
                wide,
                high,
                factor,
            )
        found = {"height": rounded[0], "width": rounded[1], "resize_mode": "stretch"}
    sides = {"height": height, "width": width}
    return found | {name: side for name, side in sides.items() if side is not None}
