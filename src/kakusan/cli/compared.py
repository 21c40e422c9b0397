"""`--compare`: how near a new picture comes to the one in a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kakusan.cli.console import remark
from kakusan.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

    from kakusan.interchange import Likeness


def compared_with(given: Path, new: "Image") -> "Likeness | None":
    """How near the new picture is; None where the file's pixels cannot be read, which is said."""
    from kakusan.images import read_picture
    from kakusan.interchange import likeness

    try:
        return likeness(read_picture(given), new)
    except InputError as error:
        remark(f"not compared: {error}")
        return None


def as_compared(likenesses: "Sequence[Likeness]", *, asked: bool) -> dict[str, object]:
    """What a JSON document tells of it: a `psnr` of null is of equal pixels, or of other sizes."""
    if not asked:
        return {}
    if not likenesses:
        return {"compared": None}
    near = likenesses[0]
    given, new = (list(size) for size in near.sizes)
    told = {"psnr": near.psnr, "identical": near.identical, "given": given, "new": new}
    return {"compared": told}
