"""What a run needs of the place where its files go."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

STATE = ".kakusan"  # the folder of what a run keeps for itself


class Storage(Protocol):
    """Files under one folder, by their names in it; whatever is written is there whole, or not.

    Attributes:
        where: how people call the folder.
        appends_slowly: whether many lines are better appended at once.
    """

    where: str
    appends_slowly: bool

    def names(self, folder: str = "") -> set[str]:
        """Of the files and folders in it; none where there is no such folder."""
        ...

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        ...

    def read(self, name: str) -> bytes | None:
        """What is in a file; None where there is none."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file; it stays, whatever happens to the machine.

        Raises:
            OutputError: It cannot be written.
        """
        ...

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """A file here to write to, which becomes that one at the end."""
        ...

    def opened(self, name: str) -> AbstractContextManager[Path]:
        """A file here that has what is in that one."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, if there is one."""
        ...

    def append(self, name: str, data: bytes) -> None:
        """Write whole lines behind those of a file."""
        ...

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines that were appended; one that was cut off at the end is none, and goes."""
        ...

    def cut(self, name: str, lines: int) -> None:
        """Leave the first so many lines of a file."""
        ...

    def join(self, name: str) -> None:
        """Say that nothing more is appended to a file."""
        ...

    def close(self) -> None:
        """Let others have the folder."""
        ...
