"""What the dialect remembers of its callers: the settings that each has made."""

import json
import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from kakusan.checkpoints.files import write_bytes
from kakusan.errors import OutputError, UnknownNameError
from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.options import (
    CHECKPOINT,
    NO_VAE,
    OPTIONS,
    READ_ONLY,
    VAE,
    changed,
    served,
)
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Entry, Kind

FILE = "a1111.json"
_MOST_CALLERS = 1000
_LOG = logging.getLogger(__name__)


class Options:
    """The settings of each caller, so that nobody changes those of another; kept in a file."""

    def __init__(self, catalog: Catalog, file: Path) -> None:
        self._catalog, self._file = catalog, file
        self._lock = threading.Lock()
        self._made = read_settings(file)

    def of(self, caller: str) -> dict[str, Any]:
        """All settings as they are for a caller; models that are there no more are forgotten."""
        made = dict(self._made.get(caller, {}))
        entry = self._catalog.usual_model
        with suppress(UnknownNameError):
            entry = self._catalog.find("model", made[CHECKPOINT]) if CHECKPOINT in made else entry
        try:
            self._catalog.find("vae", made.get(VAE, ""))
        except UnknownNameError:
            made.pop(VAE, None)
        return served(made, title=entry.title, digest=entry.short_hash or "")

    def with_changes(
        self, caller: str, sent: Mapping[str, Any], *, absent: int
    ) -> tuple[dict[str, Any], list[str]]:
        """All settings with some changed, and the names of those that nothing knows.

        Args:
            absent: the status of HTTP for a checkpoint that is not there.

        Raises:
            ApiError: A value cannot be.
        """
        before = self.of(caller)
        values, unknown = changed(sent, before)
        found = {**before, **values}
        if values.get(CHECKPOINT):
            found[CHECKPOINT] = self._find("model", values[CHECKPOINT], absent).title
        elif CHECKPOINT in values:
            found[CHECKPOINT] = before[CHECKPOINT]
        if found[VAE] not in NO_VAE:
            found[VAE] = self._find("vae", found[VAE], absent).name
        return found, list(unknown)

    def for_call(
        self, caller: str, sent: Mapping[str, Any], told: tuple[str | None, str | None]
    ) -> tuple[dict[str, Any], list[str]]:
        """All settings for one call, and what of them counts for nothing.

        Args:
            sent: those that the call says.
            told: hash and name of the checkpoint that pasted text tells, which may be nowhere.

        Raises:
            ApiError: A value cannot be.
        """
        found, unknown = self.with_changes(caller, sent, absent=422)
        ignored = [f"override_settings.{name}" for name in unknown]
        words = [word for word in told if word] if not sent.get(CHECKPOINT) else []
        for word in words:
            with suppress(UnknownNameError):
                found[CHECKPOINT] = self._catalog.find("model", word).title
                return found, ignored
        return found, [*ignored, *(["infotext: model"] if words else [])]

    def keep(self, caller: str, options: Mapping[str, Any]) -> None:
        """Make settings those of a caller from now on; what is as usual is not kept."""
        usual = served({}, title=self._catalog.usual_model.title, digest="")
        made = {
            name: value
            for name, value in options.items()
            if name not in READ_ONLY and value != usual[name]
        }
        with self._lock:
            if len(self._made) >= _MOST_CALLERS and caller not in self._made:
                self._made.pop(next(iter(self._made)))
            self._made[caller] = made
            try:
                write_bytes(self._file, json.dumps(self._made).encode())
            except OutputError as error:
                _LOG.warning("settings of %s are kept until the server ends: %s", caller, error)

    def model_of(self, options: Mapping[str, Any]) -> Entry:
        """The checkpoint that settings name."""
        return self._find("model", options[CHECKPOINT], 404)

    def _find(self, kind: Kind, word: str, absent: int) -> Entry:
        try:
            return self._catalog.find(kind, word)
        except UnknownNameError as error:
            raise ApiError(absent, str(error), "UnknownNameError") from None


def read_settings(file: Path) -> dict[str, dict[str, Any]]:
    """The settings of callers in a file; none where there is none, or a broken one."""
    found: dict[str, dict[str, Any]] = {}
    usual = {name: option.default for name, option in OPTIONS.items()}
    try:
        told: object = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return found
    for caller, each in cast("dict[str, Any]", told if isinstance(told, dict) else {}).items():
        with suppress(ApiError):
            found[caller] = dict(changed(each if isinstance(each, dict) else {}, usual).values)
    return found
