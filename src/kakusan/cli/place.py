"""Where pictures go: checked before anything is loaded, and never over another file unasked."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from kakusan.cli.console import remark
from kakusan.errors import OutputError, Undecoded

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
    from kakusan.checkpoints.file_names import unusable

    if name is not None and (why := unusable(name)):
        raise OutputError(f"cannot write to '{folder / name}': {why}; choose another name with -o")
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


def check_free(path: Path, overwrite: bool) -> None:
    """Raise `OutputError` when something is at `path` that may not be replaced."""
    if not overwrite and os.path.lexists(path):
        raise OutputError(f"'{path}' is there already; --overwrite replaces it, or name another")


@dataclass
class Place:
    """A folder and, if the user named a file, its stem; without one, names are made up.

    Attributes:
        overwrite: Whether a file of the user's name is replaced; else the new one gets a number.
        told: Whether the user knows that a name was taken.
    """

    folder: Path
    stem: str | None
    suffix: str
    overwrite: bool = False
    told: bool = field(default=False, init=False)

    @classmethod
    def of(
        cls,
        output: str | None,
        suffix: str = ".png",
        folder: Path = Path(),
        *,
        overwrite: bool = False,
    ) -> Self:
        """The place that `-o output` means; `folder` where the option was not given.

        Raises:
            OutputError: A suffix of no picture format, or a place that cannot be written.
        """
        from kakusan.images import format_of

        if output == "" or (output and "\0" in output):
            raise OutputError("-o must name a file or a folder, not an empty name")
        if output is None or output.endswith(("/", os.sep)) or _is_folder(Path(output)):
            place = cls(folder if output is None else Path(output), None, suffix, overwrite)
        else:
            path = Path(output)
            if not path.suffix:
                raise OutputError(
                    f"'{path}' is not a folder here and has no suffix; end a file's name in "
                    f".png, .jpg or .webp, or a folder's in /"
                )
            format_of(path)
            place = cls(path.parent, path.stem, path.suffix, overwrite)
        if overwrite and place.stem is None:
            raise OutputError(
                "--overwrite replaces a FILE that -o names, such as -o cat.png; name one, or leave "
                "--overwrite out"
            )
        check_writable(place.folder, None if place.stem is None else f"{place.stem}{place.suffix}")
        return place

    def path_of(
        self, record: Mapping[str, object], *, index: int, count: int, stem: str | None
    ) -> Path:
        """Of picture `index` of `count`; `stem` is used where neither user nor record has one."""
        if self.stem is not None:  # of one picture, the user's own
            digits = len(str(count))
            named = f"{self.stem}-{index + 1:0{digits}}" if count > 1 else self.stem
        else:
            named = stem or _telling_stem(record)
        return self.folder / f"{named}{self.suffix}"

    def save(
        self,
        image: "Image",
        record: Mapping[str, object],
        *,
        index: int = 0,
        count: int = 1,
        stem: str | None = None,
    ) -> Path:
        """Write picture `index` of `count` with its record; the path it got.

        Raises:
            OutputError: It cannot be written.
        """
        from kakusan.images import save_image

        wanted = self.path_of(record, index=index, count=count, stem=stem)
        asked = self.stem is not None
        path = save_image(image, wanted, record, replace=asked and self.overwrite)
        if asked and path != wanted and not self.told:
            self.told = True
            remark(f"'{wanted.name}' exists: saved as '{path.name}' (--overwrite replaces it)")
        return path

    def elsewhere(self) -> Iterator[Self]:
        """Other folders for pictures that cannot be saved here."""
        here = os.path.realpath(self.folder)
        for folder in (Path(), Path(tempfile.gettempdir())):
            if os.path.realpath(folder) != here:
                yield replace(self, folder=folder)


def rescued(
    place: Place,
    image: "Image",
    record: Mapping[str, object],
    *,
    index: int = 0,
    count: int = 1,
    stem: str | None = None,
) -> Path | None:
    """Save a finished picture in whatever place works; None where none does."""
    for other in (place, *place.elsewhere()):
        try:
            return replace(other, overwrite=False).save(
                image, record, index=index, count=count, stem=stem
            )
        except OutputError:
            continue
    return None


def kept(place: Place, undecoded: Undecoded, *, index: int, count: int) -> Path | None:
    """Save finished latents where their picture would have been, or in whatever place works."""
    from kakusan.pipeline import save_latents

    for other in (place, *place.elsewhere()):
        named = other.path_of(undecoded.records[0], index=index, count=count, stem=None)
        try:
            path = named.with_name(f"{named.name.removesuffix(other.suffix)}.safetensors")
            return save_latents(path, undecoded.latents, undecoded.records, replace=False)
        except OutputError:
            continue
    return None


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
