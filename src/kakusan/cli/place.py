"""Where pictures go, checked before anything is loaded."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kakusan.errors import OutputError

if TYPE_CHECKING:
    from PIL.Image import Image


def check_writable(folder: Path, name: str | None = None) -> None:
    """Write and remove a nameless file; access rights alone do not tell of full disks.

    Args:
        folder: where files are to go; it need not exist yet.
        name: of a file to come, if it is known.

    Raises:
        OutputError: A file cannot be written there.
    """
    existing = folder
    try:
        if name is not None:
            (folder / name).is_file()  # a name too long raises
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        with tempfile.TemporaryFile(dir=existing) as probe:
            probe.write(b"\0" * 4096)
    except OSError as error:
        raise OutputError(
            f"cannot write to '{folder}': {error.strerror}; choose another place with -o"
        ) from None


@dataclass(frozen=True)
class Place:
    """A folder and, if the user named a file, its stem; without one, names are made up."""

    folder: Path
    stem: str | None
    suffix: str

    @classmethod
    def of(cls, output: str | None, suffix: str = ".png", folder: Path = Path()) -> Self:
        """The place that `-o output` means; `folder` where the option was not given.

        Raises:
            OutputError: A suffix of no picture format, or a place that cannot be written.
        """
        from kakusan.images import format_of

        if output == "" or (output and "\0" in output):
            raise OutputError("-o must name a file or a folder, not an empty name")
        if output is None or output.endswith(("/", os.sep)) or _is_folder(Path(output)):
            place = cls(folder if output is None else Path(output), None, suffix)
        else:
            path = Path(output)
            if not path.suffix:
                raise OutputError(
                    f"'{path}' is not a folder here and has no suffix; end a file's name in "
                    f".png, .jpg or .webp, or a folder's in /"
                )
            format_of(path)
            place = cls(path.parent, path.stem, path.suffix)
        check_writable(place.folder, None if place.stem is None else f"{place.stem}{place.suffix}")
        return place

    def numbered(self, index: int, count: int) -> str:
        """The stem of file `index` of `count`; of one file, the user's own."""
        digits = len(str(count))
        return f"{self.stem}-{index + 1:0{digits}}" if count > 1 else f"{self.stem}"

    def save(
        self, image: "Image", record: Mapping[str, object], *, index: int = 0, count: int = 1
    ) -> Path:
        """Write picture `index` of `count` with its record; the path it got."""
        from kakusan.images import save_image

        if self.stem is not None:
            path = self.folder / f"{self.numbered(index, count)}{self.suffix}"
            return save_image(image, path, record)
        return self.save_as(image, record, _telling_stem(record))

    def save_as(self, image: "Image", record: Mapping[str, object], stem: str) -> Path:
        """Write a picture under a name like `stem` that no file has yet."""
        from kakusan.images import free_path, save_image

        path = free_path(self.folder, stem, self.suffix)
        try:
            return save_image(image, path, record)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _telling_stem(record: Mapping[str, object]) -> str:
    from kakusan.images import slug

    shape = record.get("grid")
    size = "x".join(str(number) for number in shape) if isinstance(shape, list) else ""  # pyright: ignore
    parts = ("kakusan", str(record.get("seed")), slug(str(record.get("prompt") or "")), size)
    return "-".join(part for part in parts if part)
