"""What the dialect remembers of its callers: the settings that each has made."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from kakusan.errors import UnknownNameError
from kakusan.server.dialects.a1111.errors import ApiError
from kakusan.server.dialects.a1111.options import CHECKPOINT, NO_VAE, VAE, changed, served
from kakusan.server.worker.catalog import Catalog
from kakusan.server.worker.entries import Entry, Kind

_MOST_CALLERS = 1000


class Options:
    """The settings of each caller, in memory, so that nobody changes those of another."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._made: dict[str, dict[str, Any]] = {}

    def of(self, caller: str) -> dict[str, Any]:
        """All settings as they are for a caller."""
        made = self._made.get(caller, {})
        entry = self._entry(made.get(CHECKPOINT))
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
        """Make settings those of a caller from now on."""
        if len(self._made) >= _MOST_CALLERS and caller not in self._made:
            self._made.pop(next(iter(self._made)))
        self._made[caller] = dict(options)

    def model_of(self, options: Mapping[str, Any]) -> Entry:
        """The checkpoint that settings name."""
        return self._find("model", options[CHECKPOINT], 404)

    def _entry(self, chosen: str | None) -> Entry:
        """The checkpoint that a caller has chosen, or the usual one where it is there no more."""
        try:
            return self._catalog.usual_model if chosen is None else self._find("model", chosen, 404)
        except ApiError:
            return self._catalog.usual_model

    def _find(self, kind: Kind, word: str, absent: int) -> Entry:
        try:
            return self._catalog.find(kind, word)
        except UnknownNameError as error:
            raise ApiError(absent, str(error), "UnknownNameError") from None
