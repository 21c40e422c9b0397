"""CSV and TSV: every cell is a text, and the first row names the columns."""

import csv
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from kakusan.batch.tables.table import Broken, Survey, hash_of
from kakusan.errors import InputError, shown, shown_path

_LARGEST = 2**26  # characters of a cell; the reader's own limit is 131,072


@dataclass(frozen=True)
class DelimitedTable:
    """A CSV file, UTF-8 with or without a byte order mark."""

    path: Path
    delimiter: str = ","

    def survey(self) -> Survey:
        with closing(self._lines()) as lines:
            header = _named(next(lines, []), self.path)
            rows = sum(1 for _ in lines)
        if len(header) == 1 and self.delimiter == "," and (other := _other(header[0])):
            raise InputError(
                f"{shown_path(self.path)} parts its columns by {shown(other)}; save it with "
                "commas, or with tabs as .tsv"
            )
        return Survey(dict.fromkeys(header, "text"), rows, hash_of(self.path))

    def rows(self) -> Iterator[dict[str, str] | Broken]:
        with closing(self._lines()) as lines:
            header = _named(next(lines, []), self.path)
            for cells in lines:
                if len(cells) > len(header):
                    yield Broken(
                        self.delimiter.join(cells),
                        f"the row has {len(cells)} cells, and the table {len(header)} columns",
                    )
                else:  # programs leave empty cells at the end away
                    yield dict(zip(header, cells, strict=False))

    def _lines(self) -> Generator[list[str]]:
        """The cells of each line that has some.

        Raises:
            InputError: The file cannot be read any further.
        """
        usual = csv.field_size_limit(_LARGEST)
        try:
            with self.path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.reader(file, delimiter=self.delimiter, strict=True)
                try:
                    for cells in reader:
                        if cells:
                            yield cells
                except csv.Error as error:
                    raise InputError(
                        f"{shown_path(self.path)} is broken at line {reader.line_num}: {error}"
                    ) from None
        except UnicodeDecodeError as error:
            raise InputError(
                f"{shown_path(self.path)} is not UTF-8 text ({error.reason}); save it as UTF-8"
            ) from None
        except OSError as error:
            raise InputError(f"{shown_path(self.path)} cannot be read: {error.strerror}") from None
        finally:
            csv.field_size_limit(usual)


def _named(header: list[str], path: Path) -> list[str]:
    """The columns' names; one without is called as pandas calls it, whose index has none.

    Raises:
        InputError: There is none, or two are called the same.
    """
    if not header:
        raise InputError(f"{shown_path(path)} is empty; its first line names the columns")
    names = [each.strip() or f"Unnamed: {index}" for index, each in enumerate(header)]
    twice = next((name for index, name in enumerate(names) if name in names[:index]), None)
    if twice is not None:
        raise InputError(f"{shown_path(path)} has two columns called {shown(twice)}")
    return names


def _other(header: str) -> str | None:
    return next((each for each in (";", "\t", "|") if each in header), None)
