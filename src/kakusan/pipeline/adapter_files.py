"""From what a user calls an adapter to its file: a file, a folder, or a repository of the Hub."""

import os
from dataclasses import dataclass
from pathlib import Path

from kakusan.checkpoints.adapters.finding import SUFFIXES
from kakusan.checkpoints.source import BUILTIN, PathLike, is_hub_id, local_file, locate
from kakusan.errors import CheckpointError, ModelNotFoundError, listed, nearest, shown, shown_path

# What the reference writes, and is looked for where no name is given
USUAL_NAMES = ("pytorch_lora_weights.safetensors", "pytorch_lora_weights.bin")


@dataclass(frozen=True)
class Where:
    """How the file of an adapter is found.

    Attributes:
        weight_name: of the file in a folder or a repository.
        subfolder: of it.
    """

    weight_name: str | None = None
    subfolder: str | None = None
    revision: str | None = None
    token: str | bool | None = None
    cache_dir: PathLike | None = None
    local_files_only: bool = False
    force_download: bool = False

    def file(self, name: PathLike) -> Path:
        """The file of an adapter, after fetching it if need be.

        Raises:
            ModelNotFoundError: There is none.
            CheckpointError: A folder has several, and no name says which.
        """
        if not isinstance(name, str | os.PathLike):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ModelNotFoundError(
                f"an adapter is a path, OWNER/NAME of the hub or a mapping of tensors, not "
                f"{shown(name)}"
            )
        text = os.fspath(name)
        if (file := local_file(text)) is not None:
            return file
        folder = local_folder(text)
        if folder is not None:
            return self._in_folder(folder)
        if not is_hub_id(text):
            return self._located(text)
        below = "/".join([text, *filter(None, [self.subfolder])])
        return self._located(f"{below}/{self.weight_name or USUAL_NAMES[0]}")

    def _located(self, name: str) -> Path:
        source = locate(
            name,
            revision=self.revision,
            token=self.token,
            cache_dir=self.cache_dir,
            local_files_only=self.local_files_only,
            force_download=self.force_download,
            files=True,
        )
        if source.file is None:
            raise CheckpointError(
                f"{shown(name)} is a model, not an adapter; give the adapter's file"
            )
        return source.file

    def _in_folder(self, folder: Path) -> Path:
        inside = folder / (self.subfolder or "")
        found = files_in(inside)
        names = [self.weight_name] if self.weight_name is not None else USUAL_NAMES
        for each in names:
            if (inside / each).is_file():
                return inside / each
        if self.weight_name is not None:
            raise ModelNotFoundError(
                f"{shown_path(inside)} has no file {shown(self.weight_name)}."
                f"{nearest(self.weight_name, [each.name for each in found])}"
            )
        if len(found) != 1:
            has = f"has {listed(each.name for each in found)}" if found else "has no adapter"
            raise ModelNotFoundError(f"{shown_path(inside)} {has}; say which with weight_name=")
        return found[0]


def local_folder(text: str) -> Path | None:
    """The folder that is called so; None where there is none."""
    if text == BUILTIN:
        return None
    try:
        path = Path(text).expanduser()
        return path if text and path.is_dir() else None
    except (OSError, ValueError, RuntimeError):
        return None


def files_in(folder: Path) -> list[Path]:
    """The files of a folder that may be adapters, by name."""
    try:
        found = [each for each in folder.iterdir() if each.suffix.casefold() in SUFFIXES]
    except OSError:
        return []
    return sorted(each for each in found if each.is_file())
