"""The fields of a request that SDXL is told beside its prompt, and their checks."""

from dataclasses import dataclass, fields
from typing import Any

from kakusan.errors import ArgumentError, shown
from kakusan.request import checks

Pair = tuple[int, int]
PAIRS = (
    *("original_size", "crops_coords_top_left", "target_size"),
    *("negative_original_size", "negative_crops_coords_top_left", "negative_target_size"),
)
MAX_SCORE = 100.0


@dataclass(frozen=True, kw_only=True)
class SizedRequest:
    """What only SDXL takes; all of it is None where nothing was given.

    `prompt_2` and `negative_prompt_2` are what the second text encoder reads, where that is another
    text. Sizes are (height, width) in pixels and crops (top, left): the model was taught with those
    of each training picture, of which the size asked for and (0, 0) are the usual ones.
    `force_zeros_for_empty_prompt` says whether an empty negative prompt stands for embeddings of
    zeros. `denoising_end` and `denoising_start` are the part of the way, from 0 to 1, at which one
    model hands latents over to another. The refiner is told scores of beauty in place of a target
    size.
    """

    prompt_2: tuple[str | None, ...] | None = None
    negative_prompt_2: tuple[str | None, ...] | None = None
    original_size: Pair | None = None
    crops_coords_top_left: Pair | None = None
    target_size: Pair | None = None
    negative_original_size: Pair | None = None
    negative_crops_coords_top_left: Pair | None = None
    negative_target_size: Pair | None = None
    force_zeros_for_empty_prompt: bool | None = None
    denoising_end: float | None = None
    denoising_start: float | None = None
    aesthetic_score: float | None = None
    negative_aesthetic_score: float | None = None

    @staticmethod
    def only_sdxl() -> list[str]:
        """The names of these fields."""
        return [field.name for field in fields(SizedRequest)]

    def checked_sizes(self, prompts: int) -> dict[str, Any]:
        """The fields as they are stored.

        Args:
            prompts: how many there are.

        Raises:
            ArgumentError: One is out of its range or contradicts another.
        """
        found: dict[str, Any] = {name: checks.pair(name, getattr(self, name)) for name in PAIRS}
        for name in ("prompt_2", "negative_prompt_2"):
            found[name] = self._texts(name, prompts)
        for name in ("denoising_end", "denoising_start"):
            found[name] = checks.number(name, getattr(self, name), 0.0, 1.0)
        for name in ("aesthetic_score", "negative_aesthetic_score"):
            found[name] = checks.number(name, getattr(self, name), 0.0, MAX_SCORE)
        zeros = self.force_zeros_for_empty_prompt
        if not isinstance(zeros, bool | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentError(
                "{force_zeros_for_empty_prompt} must be true or false, not {0}", shown(zeros)
            )
        end, start = found["denoising_end"], found["denoising_start"]
        if end == 0.0:
            raise ArgumentError("{denoising_end} of 0 leaves nothing to draw; it is the part done")
        if start is not None and start >= (1.0 if end is None else end):
            raise ArgumentError(
                "{denoising_start} is {0}, which leaves nothing to draw before {1}",
                start,
                1.0 if end is None else end,
            )
        return found

    def _texts(self, name: str, prompts: int) -> tuple[str | None, ...] | None:
        given = getattr(self, name)
        if given is None:
            return None
        texts = checks.texts(name, given)
        if len(texts) not in (1, prompts):
            raise ArgumentError(
                f"{{{name}}} has {{0}} texts but {{prompt}} has {{1}}; give one for all prompts, "
                "or as many as prompts",
                len(texts),
                prompts,
            )
        return texts * prompts if len(texts) == 1 else texts
