"""What a row is called, and its seed: by what it says alone, not by where it stands.

A row that says the same as others before it is told from them by their number, so that whichever of
them comes first, the table gives the same keys. Which shard a row is in follows from its key.
"""

import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from kakusan.batch.columns import ID, Columns
from kakusan.batch.model_hash import ModelHashes
from kakusan.batch.row import Row, names_of
from kakusan.batch.shard import number_of
from kakusan.batch.tables import Broken, Table
from kakusan.checkpoints.file_names import is_device
from kakusan.errors import InputError, shown
from kakusan.images.naming import slug
from kakusan.request import MAX_PICTURES, RANDOM_SEEDS

_KEY = 24  # hexadecimal digits: of 10^9 rows, two are called the same once in 10^11 tables
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,79}")
_LONGEST_ID = 1000  # characters
# Where a row is drawn is not what it says, and which model is told by the model's hash
_APART = ("device", "model", "commit", ID)


class Keys:
    """Names the rows of one table, one after the other.

    What names are taken is held in a file of the system's own, which goes when this does.

    Args:
        defaults: settings of rows that do not say them.
        run_seed: which seeds are derived from, with the key.
    """

    def __init__(
        self, columns: Columns, models: ModelHashes, defaults: Mapping[str, Any], run_seed: int
    ) -> None:
        self._columns, self._models = columns, models
        self._defaults, self._run_seed = dict(defaults), run_seed
        self._taken = sqlite3.connect("", isolation_level=None)
        self._taken.execute("PRAGMA journal_mode = OFF")
        for name in ("said", "names"):
            self._taken.execute(
                f"CREATE TABLE {name} (of BLOB PRIMARY KEY, n INTEGER) WITHOUT ROWID"
            )

    def rows(self, table: Table) -> Iterator[Row]:
        """Every row of a table with its name.

        Raises:
            InputError: The table cannot be read any further.
        """
        try:
            for number, cells in enumerate(table.rows()):
                yield self._row(number, cells)
        finally:
            self._taken.close()

    def _row(self, number: int, cells: Mapping[str, Any] | Broken) -> Row:
        if isinstance(cells, Broken):
            key = self._hashed({"broken": cells.text}, "")
            return Row(number, key, key, {}, _nothing(self._columns), cells.error)
        own, carried, error = self._columns.read(cells)
        settings = {**self._defaults, **own}
        given = settings.pop(ID, None)
        model = ""
        try:
            model = self._models.of(settings)
        except InputError as wrong:
            error = error or str(wrong)
        said = {name: value for name, value in settings.items() if name not in _APART}
        key = self._hashed([said, carried], model) if given is None else str(given)
        error = error or _wrong(key, settings)
        stem = stem_of(key)
        if error is None:
            error = self._take(names_of(stem, settings.get("num_images_per_prompt", 1)), number)
        settings = self._seeded(settings, key)
        return Row(number, key, stem, settings, carried, error)

    def _hashed(self, said: object, model: str) -> str:
        """A key of what a row says, how many said so before, and the model's hash."""
        text = json.dumps(said, sort_keys=True, default=str)
        digest = hashlib.sha256(f"{model}\0{text}".encode()).digest()
        (count,) = self._taken.execute(
            "INSERT INTO said VALUES (?, 0) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n",
            (digest[:16],),
        ).fetchone()
        return hashlib.sha256(digest + str(count).encode()).hexdigest()[:_KEY]

    def _take(self, names: list[str], number: int) -> str | None:
        """Take the names of a row's files; why not, where another row has one of them.

        Some systems do not tell large letters from small ones.
        """
        for name in names:
            digest = hashlib.sha256(name.casefold().encode()).digest()[:16]
            (owner,) = self._taken.execute(
                "INSERT INTO names VALUES (?, ?) ON CONFLICT DO UPDATE SET n = n RETURNING n",
                (digest, number),
            ).fetchone()
            if owner != number:
                return f"the id {shown(name)} is taken by row {owner}, counted from 0"
        return None

    def _seeded(self, settings: Mapping[str, Any], key: str) -> dict[str, Any]:
        """With seeds made of the key where none is given."""
        found = dict(settings)
        for name, needed in (("seed", True), ("variation_seed", "variation_strength" in found)):
            if needed and found.get(name) is None:
                found[name] = number_of(f"{name}\0{self._run_seed}\0{key}") % RANDOM_SEEDS
        return found


def stem_of(key: str) -> str:
    """A key as a file's name: itself where every system takes it, else with a hash behind it."""
    if _SAFE.fullmatch(key) and not is_device(key):
        return key
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    readable = slug(key.encode("ascii", "ignore").decode(), 40)
    return f"{readable}-{digest[:16]}" if readable else digest[:_KEY]


def _wrong(key: str, settings: Mapping[str, Any]) -> str | None:
    """What cannot be said of a row before it is drawn; the rest is the request's to say."""
    if len(key) > _LONGEST_ID:
        return f"the id has {len(key)} characters; at most {_LONGEST_ID} are taken"
    if settings.get("prompt") is None:
        return "the prompt is empty; say what to draw"
    count = settings.get("num_images_per_prompt", 1)
    if type(count) is not int or not 1 <= count <= MAX_PICTURES:
        return f"n must be a whole number from 1 to {MAX_PICTURES}, not {shown(count)}"
    return None


def _nothing(columns: Columns) -> dict[str, Any]:
    return dict.fromkeys(columns.carried.values())
