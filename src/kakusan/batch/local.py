"""Rows drawn by this process, on one device."""

import copy
import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kakusan.batch.asked import Asked, asked_of
from kakusan.batch.engine import Begun
from kakusan.batch.row import FAILED_DRAW, FAILED_FLAGGED, FAILED_ROW, SUCCESS, Drawn, Finished, Row
from kakusan.checkpoints.source import BUILTIN
from kakusan.errors import InputError, KakusanError, reason
from kakusan.images.metadata import encoded
from kakusan.inputs import Inputs
from kakusan.pipeline import draw, draw_together
from kakusan.pipeline.draw import NAMED_BY_LOADING, Wanted, checked, loaded
from kakusan.pipeline.output import Picture
from kakusan.request import Request
from kakusan.runtime.device import parse_device
from kakusan.text import said_once
from kakusan.vocabulary import Vocabulary

_MODEL = (*NAMED_BY_LOADING, "safety_checker")
_EACH = 4  # times as many rows as are drawn at a time are begun together


@dataclass(frozen=True)
class LocalEngine:
    """Draws one picture after the other, or several at a time.

    Alone, a picture is the same to the bit as a call draws it. Several at a time share the UNet's
    calls, so that each may differ by a rounding from that; it is the same whichever others they
    are, since each call has as many rows.

    Attributes:
        together: how many at a time.
        lora_dirs: folders in which names of adapters are looked for.
        wildcards: folders of what prompts choose lines of.
        words: what messages call the settings of a row.
    """

    together: int = 1
    lora_dirs: Sequence[str] | None = None
    wildcards: Sequence[Path] = ()
    words: Mapping[str, str] = field(default_factory=dict[str, str])

    def prepare(self, settings: Mapping[str, Any], *, load: bool) -> None:
        """See that what all rows are drawn with is there, before one of them fails for it.

        Args:
            settings: of rows that do not say them.
            load: whether their model is loaded.

        Raises:
            KakusanError: Something is not there, or does not fit into memory.
        """
        with self._spoken():
            request = self._checked(asked_of({"prompt": "", **settings}).request)
            if load:
                loaded(_wanted(request))

    def draw(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        with said_once():
            for group in _by_model(rows):
                yield from self._of_one_model(group, begun)

    def _of_one_model(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        each = iter(rows)
        while some := list(itertools.islice(each, self.together * _EACH)):
            left = {row.number: row for row in some}
            for finished in self._shared(some, begun) if self.together > 1 else ():
                del left[finished.number]
                yield finished
            for row in left.values():
                begun(row.number)
                yield self._alone(row)

    def _alone(self, row: Row) -> Finished:
        try:
            asked = self._asked(row)
            with self._spoken():
                if self.together > 1 and _is_plain(asked):
                    request = self._checked(asked.request)
                    return _finished(row, [picture for _, picture in self._drawn([request])])
                request, inputs = asked
                pictures = draw(request, inputs, progress=False, lora_dirs=self.lora_dirs)
        except Exception as error:
            return _failed(row, error)
        return _finished(row, pictures)

    def _shared(self, rows: Sequence[Row], begun: Begun) -> Iterator[Finished]:
        """As many of the rows as could be drawn together; what went wrong is told of one alone."""
        try:
            asked = [(row, each.request) for row in rows if _is_plain(each := self._asked(row))]
            requests = [self._checked(request) for _, request in asked]
            for row, _ in asked:
                begun(row.number)
            found: defaultdict[int, list[Picture]] = defaultdict(list)
            for index, picture in self._drawn(requests):
                found[index].append(picture)
                if len(found[index]) == requests[index].num_pictures:
                    yield _finished(asked[index][0], found.pop(index))
        except Exception:
            return

    def _drawn(self, requests: Sequence[Request]) -> Iterator[tuple[int, Picture]]:
        """Pictures of requests of one model, with the numbers of these."""
        if not requests:
            return
        pipe = copy.copy(loaded(_wanted(requests[0])))
        plain = [replace(each, **dict.fromkeys(NAMED_BY_LOADING)) for each in requests]
        yield from draw_together(pipe, plain, most=self.together, rows=self.together)

    def _asked(self, row: Row) -> Asked:
        with self._spoken():
            return asked_of(row.settings, self.wildcards)

    def _checked(self, request: Request) -> Request:
        with self._spoken():
            return checked(request, Inputs(), self.lora_dirs, trusted=True)

    def _spoken(self) -> Any:
        return Vocabulary("a row", self.words).spoken()


def _by_model(rows: Sequence[Row]) -> list[list[Row]]:
    """The rows of each model after each other, since one is loaded at a time."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        of = repr([row.settings.get(name) for name in _MODEL])
        found.setdefault(of, []).append(row)
    return list(found.values())


def _is_plain(asked: Asked) -> bool:
    """Whether nothing but a text is drawn from."""
    given = asked.inputs
    return given.image is None and given.mask is None and not given.controls and not given.seen


def _wanted(request: Request) -> Wanted:
    model = BUILTIN if request.model is None else request.model
    return Wanted(model, parse_device(request.device), request, False)


def _finished(row: Row, pictures: Sequence[Picture]) -> Finished:
    if any(picture.flagged for picture in pictures):
        said = "the safety checker flagged a picture"
        return Finished(row.number, FAILED_FLAGGED, error=said)
    if len(pictures) != row.count:
        said = f"{len(pictures)} pictures came of it, and {row.count} were asked for"
        return Finished(row.number, FAILED_DRAW, error=said)
    return Finished(row.number, SUCCESS, tuple(map(_drawn, pictures)))


def _drawn(picture: Picture) -> Drawn:
    data, record = encoded(picture.image, "PNG", picture.record), picture.record
    chosen = record["prompt"] if record.get("template") is not None else None
    return Drawn(data, *picture.image.size, chosen)


def _failed(row: Row, error: Exception) -> Finished:
    if isinstance(error, InputError):
        return Finished(row.number, FAILED_ROW, error=str(error))
    if isinstance(error, KakusanError):
        return Finished(row.number, FAILED_DRAW, error=str(error))
    said = f"{type(error).__name__}: {reason(error)}"
    return Finished(row.number, FAILED_DRAW, error=said)
