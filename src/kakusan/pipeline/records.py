"""What the records of one call's pictures say: all that makes them again, and notes on them."""

from collections.abc import Mapping, Sequence
from typing import Any

from kakusan import __version__
from kakusan.pipeline.adapter_search import with_hashes
from kakusan.pipeline.model import Model
from kakusan.request import Request
from kakusan.text import Understanding


class Records:
    """Of all pictures of one call, by their numbers.

    Args:
        request: with nothing left open.
        seeds: that draws each picture's noise again, where there is one.
        understood: what of each prompt is not understood.
        altered: the pictures that something beside the request has changed, and what it was.
        together: the numbers of those that are computed together.

    Attributes:
        common: notes on all pictures.
        of_decode: what is said of how each was decoded.
    """

    def __init__(
        self,
        model: Model,
        request: Request,
        seeds: Sequence[int | None],
        understood: Sequence[Understanding],
        altered: Mapping[int, str],
        together: Sequence[range],
    ) -> None:
        self._model, self._request, self._seeds = model, request, seeds
        self._understood_prompts, self._altered, self._together = understood, altered, together
        self.common: list[str] = []
        self.of_decode: dict[int, list[str]] = {}
        self._notes: dict[int, list[str]] = {}

    def of(self, index: int) -> dict[str, Any]:
        """All that makes picture `index` again, as plain JSON."""
        return {
            "kakusan": __version__,
            **with_hashes(self._request.picture(index).to_record()),
            "seed": None if index in self._altered else self._seeds[index],
            **self._understood(index).to_record(),
            "notes": self._all_notes(index),
        }

    def note(self, pictures: range, note: str) -> None:
        """Have the records of pictures say something about how they were computed."""
        for index in pictures:
            notes = self._notes.setdefault(index, [])
            notes += [note] if note not in notes else []

    def _understood(self, index: int) -> Understanding:
        return self._understood_prompts[index // self._request.num_images_per_prompt]

    def _all_notes(self, index: int) -> list[str]:
        together = next(len(pictures) for pictures in self._together if index in pictures)
        notes = [*self._understood(index).notes(), *self.common, *self._notes.get(index, ())]
        if index in self._altered:
            notes.append(f"{self._altered[index]}: no seed makes it again")
        if together > 1:
            notes.append(f"computed in a batch of {together}: alone it may differ by a rounding")
        if self._model.source is not None and not self._model.is_whole:
            notes.append(f"parts of {self._model.source.name} were exchanged")
        # the VAE may say the same of two pictures that went through it
        return list(dict.fromkeys([*notes, *self.of_decode.get(index, ())]))
