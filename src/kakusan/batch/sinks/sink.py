"""What a run needs of a layout."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

MANIFEST = "manifest.jsonl"


class Sink(Protocol):
    """Pictures are kept as soon as they are drawn, and taken in the manifest's order."""

    def picture(self, stem: str) -> str:
        """The file in which a picture is kept until it is taken, or for good."""
        ...

    def file_of(self, stem: str) -> str:
        """The file that the next picture ends up in, as the manifest tells it."""
        ...

    def take(self, record: Mapping[str, Any]) -> None:
        """Take what a line of the manifest tells of, which may have been taken before."""
        ...

    def finish(self, *, complete: bool) -> None:
        """Leave everything in order.

        Args:
            complete: whether every row is in the manifest.
        """
        ...

    def samples(
        self, records: Iterable[Mapping[str, Any]]
    ) -> Iterator[tuple[Mapping[str, Any], bytes]]:
        """Each record of a finished run, with the bytes of its picture; none where it has none."""
        ...
