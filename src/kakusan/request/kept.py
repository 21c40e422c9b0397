"""The pictures that a picture was made from, as they are kept beside it."""

from pathlib import Path

from kakusan.request.request import Request
from kakusan.request.steered import PictureFile


def recorded_pictures(request: Request) -> list[PictureFile]:
    """What a picture was made from, but for masks, which may be shapes."""
    steering = [each for asked in request.controls or () for each in asked.image or ()]
    seen = [each for prompt in request.image_prompts or () for each in prompt.images or ()]
    return [*(request.image or ()), *seen, *steering]


def kept_name(digest: str) -> str:
    """The file that a picture is kept in."""
    return f"input-{digest[:16]}.png"


def are_kept(pictures: tuple[PictureFile, ...] | None, folder: Path) -> bool:
    """Whether all of these pictures, of which a record tells, are kept in a folder."""
    return all((folder / kept_name(each.sha256)).is_file() for each in pictures or ())


def kept_beside(request: Request, folder: Path) -> list[Path]:
    """The files in a folder that keep what a picture was made from, as far as they are there."""
    told = [*recorded_pictures(request), *(request.mask or ())]
    paths = dict.fromkeys(folder / kept_name(each.sha256) for each in told)
    return [path for path in paths if path.is_file()]
