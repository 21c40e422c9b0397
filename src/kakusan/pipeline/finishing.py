"""The last stage: from finished latents to pixels, as many of them as can be decoded."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from kakusan.engine import Engine
from kakusan.images import to_pil
from kakusan.models import CLIPImageProcessor
from kakusan.pipeline.checker import CheckerFunction, checked_by


class Finished(NamedTuple):
    """What became of a batch of latents.

    Attributes:
        rows: of the latents those that are pictures now.
        pixels: shape (len(rows), 3, height, width), in [-1, 1], with what is flagged painted black;
            None where there are no rows.
        flags: of each row, whether the safety checker flags it; None without one.
        notes: of each row, what its record is to say of the decode.
        changed: whether a function in the safety checker's place made others of them.
        error: why the other rows could not be decoded, if there are any.
    """

    rows: Sequence[int]
    pixels: Tensor | None
    flags: list[bool] | None
    notes: list[list[str]]
    changed: bool = False
    error: BaseException | None = None


def finish(
    engine: Engine,
    latents: Tensor,
    extractor: CLIPImageProcessor | None,
    checker: CheckerFunction | None = None,
) -> Finished:
    """Decode latents as the loop has them, all together, or else each alone, and check them.

    Args:
        extractor: makes what the engine's safety checker sees.
        checker: a function in that one's place.
    """
    try:
        found = _decoded(engine, latents)
        return found if found.pixels is None else _checked(engine, found, extractor, checker)
    except KeyboardInterrupt as stopped:
        return _nothing(stopped)


def _decoded(engine: Engine, latents: Tensor) -> Finished:
    try:
        return _together(engine, latents, range(len(latents)))
    except Exception as error:
        found = _nothing(error)
    for row in range(len(latents)) if len(latents) > 1 else ():
        try:
            one = _together(engine, latents[row : row + 1], [row])
        except Exception:  # the first one tells of all of them
            continue
        pixels = one.pixels if found.pixels is None else _joined(found.pixels, one.pixels)
        found = found._replace(
            rows=[*found.rows, row], pixels=pixels, notes=[*found.notes, *one.notes]
        )
    return found


def _joined(first: Tensor, second: Tensor | None) -> Tensor:
    return first if second is None else torch.cat([first, second])


def _nothing(error: BaseException) -> Finished:
    return Finished([], None, None, [], error=error)


def _together(engine: Engine, latents: Tensor, rows: Sequence[int]) -> Finished:
    decoded = engine.decode(latents)
    notes = [
        [note for note in (decoded.note if upcast else None, decoded.tiled) if note is not None]
        for upcast in decoded.upcast
    ]
    return Finished(rows, decoded.result, None, notes)


def _checked(
    engine: Engine,
    found: Finished,
    extractor: CLIPImageProcessor | None,
    checker: CheckerFunction | None,
) -> Finished:
    pixels = found.pixels
    assert pixels is not None
    if checker is not None:
        pixels, flags, changed = checked_by(checker, pixels, extractor)
        return found._replace(pixels=pixels, flags=flags, changed=changed or any(flags))
    if engine.safety_checker is None or extractor is None:
        return found
    flags = engine.flagged(to_pil(pixels), extractor)
    pixels[torch.tensor(flags, device=pixels.device)] = -1.0
    return found._replace(flags=flags)
